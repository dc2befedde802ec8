// A ledger whose workers are made up: what they commit is written to etcd as the real one writes it.

import { create, toBinary } from "@bufbuild/protobuf";
import type { Etcd, Keys } from "@sheaf/etcd";
import {
  type ClaimView,
  type DoneInterval,
  decodeDone,
  type Ledger,
  type LedgerEnd,
  type LedgerName,
  type LedgerProgress,
  sumTotals,
} from "@sheaf/ledger";
import { dispatch, state, type store } from "@sheaf/proto";

type Running = ClaimView["running"][number];

/** An interval that a made-up worker has done. */
export interface FakeDone {
  readonly start: number;
  readonly end: number;
  readonly result: store.TableRef;
  readonly totals?: Partial<Record<"succeeded" | "failed" | "firstFailed" | "outputBytes", bigint>> & {
    readonly firstFailedMessage?: string;
  };
}

export class FakeLedger implements Ledger {
  readonly name: LedgerName;
  readonly n: number;
  readonly input: store.ObjectRef;
  readonly order: string;
  readonly #etcd: Etcd;
  readonly #keys: Keys;
  readonly #end = Promise.withResolvers<LedgerEnd>();
  readonly #callbacks: (() => void)[] = [];
  #done: DoneInterval[] = [];
  #claimed = 0;
  #claims: readonly ClaimView[] = [];
  #over = false;

  constructor(etcd: Etcd, keys: Keys, name: LedgerName, meta: { n: number; input: store.ObjectRef; order: string }) {
    this.#etcd = etcd;
    this.#keys = keys;
    this.name = name;
    this.n = meta.n;
    this.input = meta.input;
    this.order = meta.order;
  }

  get end(): Promise<LedgerEnd> {
    return this.#end.promise;
  }

  get isOver(): boolean {
    return this.#over;
  }

  onProgress(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  progress(): LedgerProgress {
    const done = this.#done.reduce((sum, each) => sum + each.end - each.start, 0);
    const totals = sumTotals(this.#done.map((each) => each.totals));
    return {
      n: this.n,
      done,
      claimed: this.#claimed,
      finished: 0,
      totals,
      claims: this.#claims,
      steals: 0,
      msPerIndex: null,
      tries: new Map(),
    };
  }

  /** What an owner before has left. */
  async load(): Promise<void> {
    const { kvs } = await this.#etcd.list(this.#keys.dones(this.name.job, this.name.kind));
    this.#done = kvs.map((kv) => {
      const parsed = this.#keys.parse(kv.key);
      return decodeDone(parsed?.of === "done" ? parsed.start : -1, kv);
    });
    this.#endWhenComplete();
  }

  /** Workers hold so many. */
  claim(count: number): void {
    this.#claimed = count;
    this.#changed();
  }

  /** A worker runs these. */
  runs(start: number, end: number, running: readonly Running[]): void {
    this.#claims = [{ claim: "c1", worker: "worker-9", start, end, next: end, running }];
    this.#changed();
  }

  /** Commits an interval. */
  async commit({ start, end, result, totals }: FakeDone): Promise<void> {
    const sums = create(dispatch.TotalsSchema, { succeeded: BigInt(end - start), ...totals });
    const done = { end: BigInt(end), result, attempt: `attempt-${start}`, fence: 1n, totals: sums, worker: "worker-1" };
    const value = toBinary(state.DoneRecordSchema, create(state.DoneRecordSchema, { version: 1, ...done }));
    await this.#etcd.txn({
      compare: [],
      then: [{ put: this.#keys.done(this.name.job, this.name.kind, start), value }],
    });
    this.#done.push({ start, end, result, attempt: done.attempt, worker: done.worker, fence: 1n, totals: sums });
    this.#claimed = Math.max(0, this.#claimed - (end - start));
    this.#changed();
    this.#endWhenComplete();
  }

  finish(end: LedgerEnd): void {
    this.#over = true;
    this.#end.resolve(end);
  }

  giveUp(): void {
    this.finish({ kind: "gave-up", done: this.#done });
  }

  #endWhenComplete(): void {
    if (this.progress().done === this.n)
      this.finish({ kind: "complete", done: this.#done.toSorted((a, b) => a.start - b.start) });
  }

  #changed(): void {
    for (const callback of this.#callbacks) callback();
  }
}
