// A worker with its owner, over a real port and a real folder, for tests.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { objectOf } from "@sheaf/files";
import { dispatch, store } from "@sheaf/proto";
import { grpcClient } from "@sheaf/rpc";
import { systemClock, systemRandom, testLogger } from "@sheaf/runtime";
import { openStore, type Store } from "@sheaf/storage";
import { newEngineThread } from "../engine/new-thread.ts";
import { Worker, type WorkerOptions } from "../worker.ts";
import { FakeOwner } from "./fake-owner.ts";
import { commitOf, type DatumOutcome, inputOf, JOB, outcomesOf, type SpecInit, workOf } from "./job-kit.ts";
import { Pod, type PodOptions, whyNoPod } from "./pod-kit.ts";

// Its own troubles are what the tests are about.
process.env.SHEAF_LOG_LEVEL ??= "silent";

/** Where commands run: suites that hold for both take these in turn. */
export const PLACES: readonly { readonly where: string; readonly pod?: Omit<PodOptions, "slots"> }[] =
  whyNoPod() === undefined
    ? [{ where: "here" }, { where: "in a pod", pod: { image: "machine" } }]
    : [{ where: "here" }];

export interface Bench extends AsyncDisposable {
  readonly dir: string;
  readonly store: Store;
  readonly owner: FakeOwner;
  readonly worker: Worker;
  /** Told to stop by an owner. */
  drained: boolean;
  /** With a pod: why it cannot go on. */
  failure: unknown;
  readonly pod: Pod | undefined;
  /** Plans the files, and gives the process ledger; resolves when it is complete. */
  run(spec: SpecInit, files: Readonly<Record<string, string>>, claimSize?: number): Promise<DatumOutcome[]>;
  /** Plans the files; returns the input of the process ledger and the number of datums. */
  plan(
    spec: SpecInit,
    files: Readonly<Record<string, string>> | undefined,
  ): Promise<{ readonly input: store.ObjectRef; readonly n: number }>;
}

export async function openBench(
  options: Partial<Pick<WorkerOptions, "slots" | "graceMs" | "id" | "data" | "store">> & {
    /** Addresses of masters, from that of the owner. */
    readonly masters?: (owner: string) => string[];
    /** Commands run in containers of such a pod. */
    readonly pod?: Omit<PodOptions, "slots"> | undefined;
  } = {},
): Promise<Bench> {
  const dir = mkdtempSync(join(tmpdir(), "sheaf-worker-test-"));
  const url = options.store ?? pathToFileURL(join(dir, "store")).href;
  const data = options.data ?? join(dir, "scratch");
  const source = await openStore(url);
  const owner = new FakeOwner(source);
  await owner.start();
  const hidden = join(dir, "hidden");
  mkdirSync(hidden);
  const pod = options.pod && new Pod(join(dir, "sheaf"), { hidden, ...options.pod, slots: options.slots ?? 1 });
  const worker = new Worker({
    id: "worker-1",
    pool: "edges",
    addresses: { master: options.masters?.(owner.address) ?? [owner.address], merge: [] },
    store: url,
    data,
    slots: 1,
    userVolume: pod?.volume,
    graceMs: 500,
    thread: newEngineThread(),
    connect: (address) => {
      const { rpc, connected, close } = grpcClient(address, dispatch.DispatchService);
      return { open: () => rpc.session(), connected: connected(), close };
    },
    clock: systemClock,
    random: systemRandom,
    log: testLogger(),
    onDrained: () => {
      bench.drained = true;
    },
    onFailed: (error) => {
      if (pod === undefined) throw error;
      bench.failure = error;
    },
    ...options,
  });
  await worker.start().catch(async (error: unknown) => {
    await owner.stop();
    throw error;
  });
  const bench: Bench = {
    dir,
    store: source,
    owner,
    worker,
    drained: false,
    failure: undefined,
    pod,
    plan,
    run,
    [Symbol.asyncDispose]: dispose,
  };
  return bench;

  async function plan(spec: SpecInit, files: Readonly<Record<string, string>> | undefined) {
    const inputs = inputOf(files === undefined ? undefined : await commitOf(source, files));
    owner.give({
      job: JOB,
      kind: store.WorkKind.PLAN,
      n: 1,
      claimSize: 1,
      input: await workOf(source, spec, { inputs }),
    });
    await owner.complete();
    const [planned] = owner.taken;
    assert.ok(planned);
    const input = await workOf(source, spec, { inputs, plan: objectOf(planned.result) });
    return { input, n: files === undefined ? 0 : Object.keys(files).length };
  }

  async function run(spec: SpecInit, files: Readonly<Record<string, string>>, claimSize = 10) {
    const { input, n } = await plan(spec, files);
    owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n, claimSize, input });
    await owner.complete();
    return outcomesOf(source, owner.taken);
  }

  async function dispose() {
    await worker.stop();
    await owner.stop();
    await source.close();
    for (const name of ["data", "control/slots", "control/batches"])
      assert.equal(pod !== undefined && existsSync(join(pod.volume, name)), false, name);
    await pod?.[Symbol.asyncDispose]();
    // Leaves no process and no folder; in a pod, the mark of its one worker.
    assert.deepEqual(readdirSync(data, { recursive: true }), pod === undefined ? [] : ["worker-1", "worker-1/owner"]);
    // What was killed may take a moment to be gone.
    for (let i = 0; i < 100 && processesOf(dir).length > 0; i++) await systemClock.sleep(20);
    assert.deepEqual(processesOf(dir), []);
    rmSync(dir, { recursive: true });
  }
}

/** Processes whose command line names the folder. */
export function processesOf(text: string): string[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((pid) => commandLine(pid).includes(text));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
