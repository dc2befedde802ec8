import type { Etcd, KeyValue } from "@sheaf/etcd";
import { type Dispatcher, type Ledger, type Ownership, readRecord } from "@sheaf/ledger";
import { api, state } from "@sheaf/proto";
import { backoff, failsForGood, type Random } from "@sheaf/runtime";
import { finishMerge, openMerge } from "./merge-job.ts";
import { type MergeDeps, readJob } from "./merging-job.ts";
import { endJob } from "./publish.ts";

export interface MergeOwnerDeps extends MergeDeps {
  readonly etcd: Etcd;
  readonly dispatcher: Dispatcher;
  readonly random: Random;
}

/** Waits between tries when etcd or the store does not answer. */
const RETRY = { baseMs: 100, capMs: 5_000 };

/**
 * Owns the merges of one pipeline: campaigns, goes on with every job that is merging, and takes those that come. When the
 * ownership is lost, or handed over to a replica that came, it drops all of it and campaigns anew. Resolves when `signal` aborts.
 */
export async function ownMerges(deps: MergeOwnerDeps, pipeline: string, signal: AbortSignal): Promise<void> {
  const waits = backoff({ ...RETRY, random: deps.random });
  while (!signal.aborted) {
    try {
      const owner = await deps.dispatcher.own(pipeline, signal);
      await new MergeOwner(deps, owner, signal).run();
      if (!signal.aborted) await deps.dispatcher.release(pipeline);
    } catch (error) {
      if (signal.aborted) return;
      deps.log.warn({ pipeline, err: error }, "cannot own the merges of a pipeline; trying again");
      await deps.clock.sleep(waits.next(), signal).catch(() => {});
    }
  }
}

class MergeOwner {
  readonly #deps: MergeOwnerDeps;
  readonly #owner: Ownership;
  readonly #stop: AbortSignal;
  /** Jobs that are being merged. */
  readonly #jobs = new Map<string, Promise<Ledger | null>>();

  constructor(deps: MergeOwnerDeps, owner: Ownership, signal: AbortSignal) {
    this.#deps = deps;
    this.#owner = owner;
    const over = new AbortController();
    void Promise.race([owner.lost, owner.recalled]).then(() => over.abort());
    this.#stop = AbortSignal.any([signal, over.signal]);
  }

  async run(): Promise<void> {
    const { etcd, keys } = this.#deps;
    const over = Promise.withResolvers<void>();
    this.#stop.addEventListener("abort", () => over.resolve(), { once: true });
    if (this.#stop.aborted) return;
    const watch = etcd.watch(keys.jobs(this.#owner.pipeline), {
      snapshot: (kvs) => void this.#snapshot(kvs),
      events: (events) => {
        for (const event of events) {
          if (event.type === "put") this.#see(event.kv);
          else this.#over(event.key);
        }
      },
    });
    await over.promise;
    await watch.close();
  }

  /** Everything that is merging is opened before workers are accepted, so that what they hold can be adopted. */
  async #snapshot(kvs: readonly KeyValue[]): Promise<void> {
    const there = new Set(kvs.map((kv) => kv.key));
    for (const key of this.#jobs.keys()) if (!there.has(key)) this.#over(key);
    for (const kv of kvs) this.#see(kv);
    await Promise.all(this.#jobs.values());
    this.#owner.serve();
  }

  #see(kv: KeyValue): void {
    const { record } = readRecord(state.JobRecordSchema, kv);
    if (record.state !== api.JobState.MERGING) this.#over(kv.key);
    else if (!this.#jobs.has(kv.key)) this.#jobs.set(kv.key, this.#begin(kv.key));
  }

  /** Opens the ledger of a job, and sees to its end. */
  async #begin(key: string): Promise<Ledger | null> {
    const at = this.#deps.keys.parse(key);
    if (at?.of !== "job") return null;
    const ledger = await this.#persist(key, () => openMerge(this.#deps, this.#owner, at.job));
    if (ledger !== null) void this.#persist(key, () => finishMerge(this.#deps, this.#owner, ledger, at.job));
    return ledger;
  }

  /**
   * Does it until it is done, the job is over, or the pipeline is not ours any more. Null: it was given up. What fails for good
   * fails the job.
   */
  async #persist<T>(key: string, work: () => Promise<T | null>): Promise<T | null> {
    const { clock, random, log } = this.#deps;
    const waits = backoff({ ...RETRY, random });
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (this.#stop.aborted) return null;
        if (failsForGood(error)) work = async () => this.#fail(key, error.message);
        log.warn({ key, err: error }, "a merge cannot go on; trying again");
        await clock.sleep(waits.next(), this.#stop).catch(() => {});
        if (this.#stop.aborted || !this.#jobs.has(key)) return null;
      }
    }
  }

  async #fail(key: string, message: string): Promise<null> {
    const kept = await readJob(this.#deps, key);
    const ending = { kind: "failed", reason: "MERGE_FAILED", message };
    if (kept !== null) await endJob(this.#deps, this.#owner, kept, ending);
    return null;
  }

  /** The job is over, or gone: its ledger is closed, its workers are told to stop. */
  #over(key: string): void {
    const merging = this.#jobs.get(key);
    if (merging === undefined) return;
    this.#jobs.delete(key);
    void merging.then((ledger) => ledger && this.#owner.closeLedger(ledger.name, "stopped"));
  }
}
