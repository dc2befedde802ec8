// Puts the engine's parts together.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { HashThreads } from "@sheaf/files";
import type { store } from "@sheaf/proto";
import { type Clock, internal, type Logger, systemRandom, toSheafError } from "@sheaf/runtime";
import { type Store, withRecentPuts } from "@sheaf/storage";
import { ClaimBook } from "../claims/book.ts";
import { launcherEnvironment } from "../datum/environment.ts";
import { FifoPool } from "../datum/lazy-files.ts";
import { type CgroupPlace, findCgroups, missingControllers, removeLeftovers, SlotCgroup } from "../launcher/cgroups.ts";
import { ContainerCarriers } from "../launcher/container-carrier.ts";
import { hasPfs } from "../launcher/isolation.ts";
import { LocalCarriers } from "../launcher/local-carrier.ts";
import { MergeWork } from "../merge/merge-work.ts";
import { PlanWork } from "../plan/plan-work.ts";
import { Floor } from "../process/floor.ts";
import { openJob, type ProcessJob } from "../process/job.ts";
import { Station } from "../process/station.ts";
import { DatumFolders } from "../scratch/datum-folders.ts";
import { GivenFolders } from "../scratch/given-folders.ts";
import { type Grant, grantOwn, grantUser } from "../user/grant.ts";
import { Engine } from "./engine.ts";
import type { EngineData, FromEngine } from "./messages.ts";
import { patientStore } from "./patient-store.ts";

/** Specs and plans that are kept open. */
const JOBS_KEPT = 4;

export interface RunningEngine {
  readonly engine: Engine;
  readonly isolation: string;
  close(): void;
}

/** Starts an engine on this thread. `env`: the worker's own. */
export async function startEngine(
  data: EngineData,
  source: Store,
  parts: {
    readonly clock: Clock;
    readonly log: Logger;
    readonly env: NodeJS.ProcessEnv;
    readonly send: (message: FromEngine) => void;
  },
): Promise<RunningEngine> {
  const { clock, log, send } = parts;
  const store = patientStore(withRecentPuts(source), clock, log);
  const env = launcherEnvironment(parts.env);
  const newAttempt = () => Buffer.from(systemRandom.bytes(16)).toString("hex");
  const book = new ClaimBook(newAttempt);
  const { scratch, shared, slots, batches } = data.folders;
  const folders = {
    datums: join(shared, "datums"),
    slots,
    batches,
    stdin: join(shared, "stdin"),
    handlers: join(scratch, "handlers"),
  };
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true });
  const datumFolders = new DatumFolders(folders.datums, (folder, error) =>
    log.warn({ err: error }, `cannot remove the scratch folder ${folder}`),
  );
  const broken = `a command has removed or replaced ${folders.datums}: the worker has to end, so that its pod is replaced`;
  const given = new GivenFolders(join(scratch, "given"), systemRandom);
  let isolations: readonly string[] = [];
  const floor = new Floor({
    store,
    book,
    worker: data.worker,
    folders: datumFolders,
    given,
    fifos: new FifoPool(join(shared, "fifos"), join(scratch, "files")),
    threads: new HashThreads(),
    path: data.userVolume === undefined ? env.PATH : undefined,
    clock,
    random: systemRandom,
    log,
    newAttempt,
    openJob: keepJobs((input) => openJob(store, input, folders, grant)),
    onFinished: (claim) => engine.finished(claim),
    onTryFailed: (claim, index, tries) => engine.tryFailed(claim, index, tries),
    onLiveLog: (claim, live) => engine.liveLog(claim, live),
    onRaceFailed: (claim) => engine.raceFailed(claim),
    onCannotGoOn: (claim) => {
      engine.cannotGoOn(claim);
      if (!datumFolders.isWhole) send(failedWith(internal("VOLUME_BROKEN", broken)));
    },
  });
  const solos = {
    plan: new PlanWork(store, data.worker, clock, log),
    merge: new MergeWork(store, data.worker, clock, () => engine.changed()),
  };
  const engine = new Engine({ book, floor, solos, clock, log, send });
  // The limits of containers are set by who makes them.
  const cgroups = data.userVolume === undefined ? openCgroups(clock, log) : undefined;
  const stations = Array.from({ length: data.slots }, (_, i) => newStation(i));
  isolations = await Promise.all(stations.map((station) => station.start()));
  void floor.run(stations).catch((error: unknown) => send(failedWith(error)));
  engine.start();
  return { engine, isolation: isolations[0] ?? "none", close };

  function newStation(slot: number): Station {
    const name = String(slot);
    const onTrouble = (detail: string) =>
      log.warn({ detail }, "the shell that runs the commands of a slot was lost; starting another");
    const onStray = (text: string) => log.warn({ text }, "a long-lived command wrote something while it had no datum");
    const cgroup = cgroups && new SlotCgroup(cgroups, `${data.worker}-${process.pid}-${name}`);
    const carriers =
      data.userVolume === undefined
        ? new LocalCarriers({ given: given.root, env, isRoot: process.getuid?.() === 0, cgroup })
        : new ContainerCarriers({ volume: data.userVolume, slot, clock, log });
    return new Station({
      folder: join(folders.slots, name),
      carriers,
      cgroup,
      batches: join(folders.batches, name),
      given,
      env,
      clock,
      log,
      graceMs: data.graceMs,
      waiting: floor,
      onTrouble,
      onFailed: (detail) => send(failedWith(internal("SLOT_FAILED", detail))),
      onStray,
    });
  }

  function grant(user: string): Grant {
    const own = { uid: process.getuid?.(), gid: process.getgid?.() };
    const granted =
      data.userVolume === undefined
        ? grantUser(user, { ...own, canMount: isolations.every(hasPfs), path: env.PATH ?? "" })
        : grantOwn(user, own);
    if (!granted.ok) log.error(granted.failure.message);
    return granted;
  }

  function close(): void {
    engine.stop();
    for (const station of stations) station.close();
    void store.close();
  }
}

function openCgroups(clock: Clock, log: Logger): CgroupPlace | undefined {
  const cgroups = findCgroups();
  const missing = missingControllers(cgroups);
  if (missing.length > 0)
    log.warn(
      { missing },
      `no cgroup can be made here for ${missing.join(", ")}: resource_limits of that are not enforced`,
    );
  if (cgroups !== undefined) removeLeftovers(cgroups, clock.wall());
  return cgroups;
}

function keepJobs(
  open: (input: store.ObjectRef) => Promise<ProcessJob>,
): (input: store.ObjectRef) => Promise<ProcessJob> {
  const jobs = new Map<string, Promise<ProcessJob>>();
  return (input) => {
    const job = jobs.get(input.key) ?? open(input);
    jobs.delete(input.key);
    jobs.set(input.key, job);
    // A failed read is not kept.
    job.catch(() => jobs.delete(input.key));
    for (const oldest of jobs.keys()) {
      if (jobs.size <= JOBS_KEPT) break;
      jobs.delete(oldest);
    }
    return job;
  };
}

/** What the main thread is told when the engine cannot go on. */
export function failedWith(error: unknown): FromEngine {
  const { code, message } = toSheafError(error);
  return { t: "failed", code, message };
}
