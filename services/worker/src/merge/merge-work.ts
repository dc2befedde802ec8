// Merge work: the k-way merge of all runs of a job, shard by shard. The bytes of the runs never travel through a merge replica.

import { create } from "@bufbuild/protobuf";
import { getMessage, mergeShard, putMergeResult, shardRange } from "@sheaf/files";
import { dispatch, store } from "@sheaf/proto";
import { type Clock, internal } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import type { Claim, Cut, Interval } from "../claims/claim.ts";
import type { Built } from "../engine/messages.ts";
import type { Solo } from "../engine/solo.ts";

/** How often a merge looks whether its shard is still wanted. */
const LOOK_MS = 200;

interface MergeJob {
  readonly work: store.WorkInput;
  readonly runs: readonly store.RunRef[];
  readonly cuts: store.Cuts;
}

export class MergeWork implements Solo {
  readonly #store: Store;
  readonly #worker: string;
  readonly #clock: Clock;
  /** A finished shard is told, so that it can be cut and committed while the next is merged. */
  readonly #onFinished: () => void;
  readonly #shards = new WeakMap<Claim, Map<number, store.MergedShard>>();
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
      const job = await this.#open(claim.assigned.input);
      for (let index = claim.prepare(); index !== undefined; index = claim.prepare()) {
        if (claim.start(index, this.#clock.now())) await this.#merge(claim, index, job);
      }
    } finally {
      this.#isBusy = false;
    }
  }

  async build(claim: Claim, cut: Cut): Promise<Built> {
    const shards = this.#results(claim, cut);
    const { from, to, attempt } = cut;
    const { job } = claim.assigned;
    const header = { job, from: BigInt(from), to: BigInt(to), attempt, worker: this.#worker };
    const result = await putMergeResult(this.#store, header, shards);
    const outputBytes = shards.reduce((sum, { index }) => sum + (index?.bytes ?? 0n), 0n);
    const totals = create(dispatch.TotalsSchema, { succeeded: BigInt(shards.length), outputBytes });
    return { result, totals };
  }

  committed(claim: Claim, { from, to }: Interval): void {
    for (let index = from; index < to; index++) this.#shards.get(claim)?.delete(index);
  }

  async #merge(claim: Claim, index: number, { work, runs, cuts }: MergeJob): Promise<void> {
    const unwanted = new AbortController();
    const look = () => {
      if (!claim.holds(index)) unwanted.abort();
      else timer = this.#clock.timer(LOOK_MS, look);
    };
    let timer = this.#clock.timer(LOOK_MS, look);
    try {
      const range = shardRange(cuts, index);
      const shard = await mergeShard(this.#store, runs, work.spec?.merge, range, { signal: unwanted.signal });
      if (!claim.finish(index, Number(shard.index?.bytes ?? 0n))) return;
      const kept = this.#shards.get(claim) ?? new Map<number, store.MergedShard>();
      this.#shards.set(claim, kept.set(index, shard));
      this.#onFinished();
    } catch (error) {
      if (!unwanted.signal.aborted) throw error;
    } finally {
      timer.cancel();
    }
  }

  #results(claim: Claim, { from, to }: Interval): store.MergedShard[] {
    return Array.from({ length: to - from }, (_, i) => {
      const shard = this.#shards.get(claim)?.get(from + i);
      if (shard === undefined)
        throw internal("RESULT_LOST", `shard ${from + i} of claim ${claim.assigned.id} is not kept`);
      return shard;
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
