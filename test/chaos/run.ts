// One chaos run: builds the world, lets users work and the nemesis plan go wrong at the same time, heals, waits for the end of all
// that was begun, stops, and leaves the artefacts in a folder. It judges nothing: the checker does.

import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { api } from "@sheaf/proto";
import { processesWith } from "../kit/cluster.ts";
import { ApiCaller } from "./api-caller.ts";
import { EtcdLog } from "./etcd-log.ts";
import type { Fault } from "./faults/fault.ts";
import { Journal, monotonicNs, writeJson } from "./journal.ts";
import { isOfSession, Keeper, type LeaseFacts } from "./keeper.ts";
import { Nemesis } from "./nemesis.ts";
import { PIPELINES } from "./pipelines.ts";
import type { PlannedFault } from "./plan.ts";
import { sleep } from "./sleep.ts";
import { User } from "./workload.ts";
import { World, type WorldShape } from "./world.ts";

export interface RunOptions {
  readonly folder: string;
  readonly seed: number;
  readonly shape: WorldShape;
  readonly faults: readonly Fault[];
  readonly plan: readonly PlannedFault[];
  /** How long users may take after everything is healed (I7). */
  readonly patienceMs: number;
  /** Aborted: the plan is cut, and the run ends as if it were over. */
  readonly stopped: AbortSignal;
  /** One line for people, now and then. */
  readonly say: (line: string) => void;
}

/** What run.json holds. */
export interface RunFacts {
  readonly seed: number;
  readonly shape: WorldShape;
  readonly plan: readonly PlannedFault[];
  readonly begunNs: number;
  /** What the monotonic clock is ahead of /proc/uptime, by which commands note their times. */
  readonly uptimeShiftNs: number;
  readonly patienceMs: number;
}

/** What end.json holds. */
export interface EndFacts {
  /** Newest revision that the log of etcd has seen. */
  readonly revision: number;
  /** When all pipelines had been stopped: workers that live, and leases, each with its keys. */
  readonly workers: readonly string[];
  readonly scratch: readonly string[];
  readonly leases: readonly LeaseFacts[];
  /** After all services were told to stop and had gone. */
  readonly processes: readonly string[];
}

/** Longer than a session's lease: what was left to die has died. */
const LEASES_GO_MS = 25_000;
const PROCESSES_GO_MS = 20_000;

export async function runChaos(options: RunOptions): Promise<void> {
  const { folder, seed, shape, plan, patienceMs, stopped, say } = options;
  mkdirSync(folder, { recursive: true });
  const ends: (() => Promise<void>)[] = [];
  const after = (end: () => Promise<void>) => void ends.push(end);
  try {
    const nemesisJournal = journal(folder, "nemesis", after);
    const history = journal(folder, "history", after);
    writeJson(folder, "run", {
      seed,
      shape,
      plan,
      begunNs: monotonicNs(),
      uptimeShiftNs: uptimeShift(),
      patienceMs,
    } satisfies RunFacts);
    const world = await World.build(folder, shape, nemesisJournal, after);
    const keeper = await Keeper.connect(world.members);
    after(() => keeper.close());
    const log = new EtcdLog(keeper.etcd, new Journal(folder, "etcd"));
    after(() => log.close());
    await log.ready;
    world.startServices();
    after(() => endEverything(world));

    const caller = new ApiCaller(world.addresses, history);
    after(async () => caller.close());
    const [last, patience] = [new AbortController(), new AbortController()];
    const users = PIPELINES.map(
      (pipeline) => new User(pipeline, { caller, history, folder, seed, last: last.signal, patience: patience.signal }),
    );
    const working = Promise.all(users.map((user) => user.run()));
    // What is hurt is to work first.
    await Promise.all(users.map((user) => user.works));
    const nemesis = new Nemesis({ world, keeper, log }, options.faults, nemesisJournal);
    await nemesis.carryOut(plan, stopped);
    say(`healed; waiting for what was begun (at most ${patienceMs / 1_000} s)`);
    last.abort();
    const giveUp = setTimeout(() => patience.abort(), patienceMs);
    const rounds = await working;
    clearTimeout(giveUp);
    say(`${rounds.reduce((sum, each) => sum + each, 0)} rounds; stopping`);
    for (const { name: pipeline } of PIPELINES) await stopPipeline(caller, pipeline, patience.signal);
    const workers = await goneInTime(() => world.workers().map(({ id }) => id));
    const scratch = await goneInTime(() => scratchOf(folder));
    const leases = await leasesAtRest(keeper);
    await world.stopServices();
    const processes = await goneInTime(() => processesWith("services", folder).map(String));
    writeJson(folder, "end", { revision: Number(log.seen), workers, leases, processes, scratch } satisfies EndFacts);
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

function uptimeShift(): number {
  const [up = "0"] = readFileSync("/proc/uptime", "utf8").split(" ");
  return monotonicNs() - Number(up) * 1e9;
}

function journal(folder: string, name: string, after: (end: () => Promise<void>) => void): Journal {
  const made = new Journal(folder, name);
  after(async () => made.close());
  return made;
}

/** Its workers go. */
async function stopPipeline(caller: ApiCaller, name: string, stopped: AbortSignal): Promise<void> {
  await caller.until("stopPipeline", (at) => at.client(api.PipelineService).stopPipeline({ name }), stopped);
}

/** Leases that live when nothing is to be done, and those of sessions that died have had the time to go. */
async function leasesAtRest(keeper: Keeper): Promise<EndFacts["leases"]> {
  const end = performance.now() + LEASES_GO_MS;
  for (;;) {
    const leases = await keeper.leases();
    if (!leases.some(isOfSession) || performance.now() > end) return leases;
    await sleep(500);
  }
}

/** What is left of a list that shall become empty. */
async function goneInTime(look: () => string[]): Promise<string[]> {
  const end = performance.now() + PROCESSES_GO_MS;
  for (;;) {
    const left = look();
    if (left.length === 0 || performance.now() > end) return left;
    await sleep(100);
  }
}

/** Folders of workers that stayed. */
function scratchOf(folder: string): string[] {
  const data = join(folder, "data");
  const work = readdirSync(data).map((master) => join(data, master, "work"));
  return work.filter(existsSync).flatMap((place) => readdirSync(place).map((id) => join(place, id)));
}

/** For a run that broke off: no process stays. */
async function endEverything(world: World): Promise<void> {
  await Promise.all(world.replicas.map(({ service }) => service.end("SIGKILL")));
  for (const { pid } of world.workers()) process.kill(pid, "SIGKILL");
}
