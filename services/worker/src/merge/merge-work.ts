// Merge work: the k-way merge of all runs of a job, shard by shard. The bytes of the runs never travel through a merge replica.

import { create } from "@bufbuild/protobuf";
import { getMessage, mergeShard, putMergeResult, shardRange } from "@sheaf/files";
import { dispatch, store } from "@sheaf/proto";
import { type Clock, dataLoss, failsForGood, internal } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import type { Claim } from "../claims/claim.ts";
import type { Cut, Interval } from "../claims/terms.ts";
import { quarantineOf } from "../datum/outcome.ts";
import { medianMs } from "../engine/median.ts";
import type { Built } from "../engine/messages.ts";
import type { Solo } from "../engine/solo.ts";

/** How often a merge looks whether its shard is still wanted. */
const LOOK_MS = 200;

interface MergeJob {
  readonly work: store.WorkInput;
  readonly runs: readonly store.RunRef[];
  readonly cuts: store.Cuts;
}

/** Of a message in a commit. */
const FAILURE_CHARS_MAX = 1_000;

/** A shard, or an empty one and why it can never be merged. */
interface Merged {
  readonly shard: store.MergedShard;
  readonly failure: string | null;
  /** Milliseconds that it took; of no meaning when it failed. */
  readonly ms: number;
}

export class MergeWork implements Solo {
  readonly #store: Store;
  readonly #worker: string;
  readonly #clock: Clock;
  /** A finished shard is told, so that it can be cut and committed while the next is merged. */
  readonly #onFinished: () => void;
  readonly #shards = new WeakMap<Claim, Map<number, Merged>>();
  #job: { readonly key: string; readonly job: MergeJob } | undefined;
  #isBusy = false;

  constructor(target: Store, worker: string, clock: Clock, onFinished: () => void) {
    this.#store = target;
    this.#worker = worker;
    this.#clock = clock;
    this.#onFinished = onFinished;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  async work(claim: Claim): Promise<void> {
    this.#isBusy = true;
    try {
      for (let index = claim.prepare(); index !== undefined; index = claim.prepare()) {
        const began = this.#clock.now();
        if (claim.start(index, began)) await this.#mergeOrFail(claim, index, began);
      }
    } finally {
      this.#isBusy = false;
    }
  }

  async build(claim: Claim, cut: Cut): Promise<Built> {
    const merged = this.#results(claim, cut);
    const shards = merged.map(({ shard }) => shard);
    const { from, to, attempt } = cut;
    const { job } = claim.assigned;
    const header = { job, from: BigInt(from), to: BigInt(to), attempt, worker: this.#worker };
    const result = await putMergeResult(this.#store, header, shards);
    const outputBytes = shards.reduce((sum, { index }) => sum + (index?.bytes ?? 0n), 0n);
    const failed = merged.filter(({ failure }) => failure !== null).length;
    const first = merged.findIndex(({ failure }) => failure !== null);
    const totals = create(dispatch.TotalsSchema, {
      succeeded: BigInt(shards.length - failed),
      outputBytes,
      medianMs: medianMs(merged.filter(({ failure }) => failure === null).map(({ ms }) => ms)),
      failed: BigInt(failed),
      firstFailed: BigInt(from + Math.max(first, 0)),
      firstFailedMessage: merged[first]?.failure?.slice(0, FAILURE_CHARS_MAX) ?? "",
    });
    return { result, totals };
  }

  committed(claim: Claim, { from, to }: Interval): void {
    for (let index = from; index < to; index++) this.#shards.get(claim)?.delete(index);
  }

  async #mergeOrFail(claim: Claim, index: number, began: number): Promise<void> {
    const { prior, input, isRace } = claim.assigned;
    try {
      const before = prior.get(index);
      if (before?.isQuarantined) throw dataLoss("QUARANTINED", quarantineOf(before.losses).message);
      await this.#merge(claim, index, await this.#open(input), began);
    } catch (error) {
      // A race ends with its first failure.
      if (!failsForGood(error) || isRace) throw error;
      this.#keep(claim, index, { shard: create(store.MergedShardSchema), failure: error.message, ms: 0 });
    }
  }

  #keep(claim: Claim, index: number, merged: Merged): void {
    if (!claim.finish(index, Number(merged.shard.index?.bytes ?? 0n))) return;
    const kept = this.#shards.get(claim) ?? new Map<number, Merged>();
    this.#shards.set(claim, kept.set(index, merged));
    this.#onFinished();
  }

  async #merge(claim: Claim, index: number, { work, runs, cuts }: MergeJob, began: number): Promise<void> {
    const unwanted = new AbortController();
    const look = () => {
      if (!claim.holds(index)) unwanted.abort();
      else timer = this.#clock.timer(LOOK_MS, look);
    };
    let timer = this.#clock.timer(LOOK_MS, look);
    try {
      const range = shardRange(cuts, index);
      const shard = await mergeShard(this.#store, runs, work.spec?.merge, range, { signal: unwanted.signal });
      this.#keep(claim, index, { shard, failure: null, ms: this.#clock.now() - began });
    } catch (error) {
      if (!unwanted.signal.aborted) throw error;
    } finally {
      timer.cancel();
    }
  }

  #results(claim: Claim, { from, to }: Interval): Merged[] {
    return Array.from({ length: to - from }, (_, i) => {
      const merged = this.#shards.get(claim)?.get(from + i);
      if (merged === undefined)
        throw internal("RESULT_LOST", `shard ${from + i} of claim ${claim.assigned.id} is not kept`);
      return merged;
    });
  }

  /** The run list and the cuts of the job that was merged last are kept for its next claim. */
  async #open(input: store.ObjectRef): Promise<MergeJob> {
    if (this.#job?.key === input.key) return this.#job.job;
    const work = await getMessage(this.#store, store.WorkInputSchema, input);
    if (work.merge?.runs === undefined || work.merge.cuts === undefined) {
      throw internal("WORK_INVALID", `the work ${input.key} names no runs or no cuts`);
    }
    const { runs } = await getMessage(this.#store, store.RunListSchema, work.merge.runs);
    const cuts = await getMessage(this.#store, store.CutsSchema, work.merge.cuts);
    const job = { work, runs, cuts };
    this.#job = { key: input.key, job };
    return job;
  }
}
