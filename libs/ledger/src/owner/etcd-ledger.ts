/**
 * One ledger in etcd, written by its owner alone (L1).
 *
 * Every method follows one line: decide on the partition, write one change, and change the partition by what etcd says. A change
 * compares the ledger's meta key beside the owner's epoch, so that nothing is written into a ledger that is being deleted (L8).
 * A claim has at most one write in flight; the next one waits for its turn and decides anew.
 *
 * After an unknown outcome the group commit has sealed (L2), so what is read then is final: either the write is there, told by
 * the attempt id in its value, or it never will be.
 */

import { create } from "@bufbuild/protobuf";
import type { Change, ChangeOutcome, Keys, KeyValue, Op } from "@sheaf/etcd";
import { dispatch, type store } from "@sheaf/proto";
import { newId } from "@sheaf/runtime";
import { observe } from "../core/claim-size.ts";
import type { Interval } from "../core/interval-set.ts";
import { type Claim, Partition } from "../core/partition.ts";
import type { ClaimView, DoneInterval, Ledger, LedgerEnd, LedgerName, LedgerProgress } from "../door.ts";
import { addTotals, decodeClaim, decodeDone, encodeClaim, encodeDone } from "../ledger-records.ts";
import type { ClaimOutcome, CommitOutcome, CommitRequest, LedgerMeta } from "./ledger-outcomes.ts";
import type { OwnerDeps, OwnerKey } from "./ownership.ts";
import { Turns } from "./turns.ts";

export interface LedgerDeps extends OwnerDeps {
  readonly keys: Keys;
}

export class EtcdLedger implements Ledger {
  readonly name: LedgerName;
  readonly order: string;
  readonly input: store.ObjectRef;
  readonly partition: Partition;
  readonly #deps: LedgerDeps;
  readonly #owner: OwnerKey;
  readonly #meta: LedgerMeta;
  readonly #done = new Map<number, DoneInterval>();
  readonly #totals = create(dispatch.TotalsSchema);
  readonly #turns = new Turns();
  readonly #end = Promise.withResolvers<LedgerEnd>();
  readonly #callbacks: (() => void)[] = [];
  #msPerIndex: number | null = null;
  #phase: "open" | "ending" | "ended" = "open";

  constructor(deps: LedgerDeps, owner: OwnerKey, meta: LedgerMeta) {
    this.#deps = deps;
    this.#owner = owner;
    this.#meta = meta;
    this.name = meta.name;
    this.order = meta.order;
    this.input = meta.input;
    this.partition = new Partition(meta.n);
    void owner.lost.then(() => this.close());
  }

  get end(): Promise<LedgerEnd> {
    return this.#end.promise;
  }

  // What the hand-out sees (core/assign.ts).
  get free(): readonly Interval[] {
    return this.partition.free;
  }
  get freeCount(): number {
    return this.partition.freeCount;
  }
  get msPerIndex(): number | null {
    return this.#msPerIndex;
  }
  get handsOut(): boolean {
    return this.#phase === "open" && !this.#givesUp;
  }

  /** L10: more work is in vain. */
  get #givesUp(): boolean {
    return Number(this.#totals.failed) >= this.#meta.giveUpAfterFailed;
  }

  onProgress(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  /** Tells those who watch: something changed. */
  changed(): void {
    for (const callback of this.#callbacks) callback();
  }

  progress(): LedgerProgress {
    const claims: ClaimView[] = [];
    let claimed = 0;
    let finished = 0;
    for (const claim of this.partition.claims.values()) {
      claims.push({ claim: claim.id, worker: claim.worker, start: claim.start, end: claim.end, next: claim.next });
      claimed += claim.end - claim.start;
      finished += claim.finished;
    }
    return { n: this.partition.n, done: this.partition.doneCount, claimed, finished, totals: this.#totals, claims };
  }

  /** Enters what stands in etcd. Returns what contradicts itself, naming the key; null: nothing. */
  load(dones: readonly KeyValue[], claims: readonly KeyValue[]): string | null {
    for (const kv of dones) {
      const done = this.#doneOf(kv);
      if (done === null) return `${kv.key} is no key of a done interval`;
      if (!this.partition.loadDone(done.start, done.end)) return this.#contradiction(kv.key, done);
      this.#enter(done);
    }
    for (const kv of claims) {
      const { worker, start, end } = decodeClaim(kv);
      const at = this.#deps.keys.parse(kv.key);
      if (at?.of !== "claim") return `${kv.key} is no key of a claim`;
      if (!this.partition.loadClaim(at.claim, worker, kv.createRevision, start, end)) {
        return this.#contradiction(kv.key, { start, end });
      }
    }
    return null;
  }

  /** Ends the ledger when nothing of it is left to do: also an empty one, and one that was complete before a takeover. */
  async settle(): Promise<void> {
    if (this.#phase !== "open") return;
    if (this.partition.isComplete) {
      this.#phase = "ending";
      try {
        await this.#complete();
      } catch (error) {
        // etcd does not answer: it is asked again with the next beat.
        this.#phase = "open";
        this.#deps.log.warn({ ledger: this.name, error }, "cannot read the done intervals; trying again");
      }
    } else if (this.#givesUp && this.partition.claims.size === 0)
      this.#finish({ kind: "gave-up", done: this.#sorted() });
  }

  /** Ends the ledger because its keys contradict each other (L5). */
  inconsistent(message: string): void {
    this.#deps.log.error({ ledger: this.name, message }, "the ledger contradicts itself");
    this.#finish({ kind: "inconsistent", message });
  }

  /** Hands [start, end) to a worker, under the lease of its session (L3). Reserves it before it returns its promise. */
  claim(worker: string, lease: string, start: number, end: number, id?: string): Promise<ClaimOutcome> {
    const { random, clock } = this.#deps;
    const claim = this.partition.reserve(id ?? newId(random, clock), worker, start, end);
    return this.#turns.take(claim.id, () => this.#writeClaim(claim, lease));
  }

  async #writeClaim(claim: Claim, lease: string): Promise<ClaimOutcome> {
    const { etcd, random, clock } = this.#deps;
    const key = this.#claimKey(claim.id);
    const attempt = newId(random, clock);
    const outcome = await this.#submit({
      name: `claim ${key}`,
      compare: [{ key, target: "create", is: 0n }],
      ops: [{ put: key, value: encodeClaim({ ...claim, attempt }), lease }],
    });
    if (outcome.kind === "applied") return this.#claimed(claim, outcome.revision);
    if (outcome.kind === "unknown") {
      const now = await etcd.get(key);
      if (now !== null && decodeClaim(now).attempt === attempt) return this.#claimed(claim, now.createRevision);
    }
    this.partition.freed(claim.id);
    if (outcome.kind === "lost") return { kind: "lost" };
    return { kind: outcome.kind === "lease-not-found" ? "session-gone" : "not-claimed" };
  }

  #claimed(claim: Claim, fence: bigint): ClaimOutcome {
    this.partition.claimed(claim.id, fence);
    this.changed();
    return { kind: "claimed", claim };
  }

  /** L4. The result has been verified: its header names exactly [from, to), and all that it refers to is durable. */
  commit(request: CommitRequest): Promise<CommitOutcome> {
    return this.#turns.take(request.claim, async (): Promise<CommitOutcome> => {
      if (this.#phase !== "open") return { kind: "claim-lost" };
      const { claim, fence, from, to } = request;
      const verdict = this.partition.mayCommit(claim, fence, from, to);
      return verdict.kind === "ok" ? this.#writeDone(request, verdict.left) : verdict;
    });
  }

  async #writeDone(request: CommitRequest, left: Interval | null): Promise<CommitOutcome> {
    const { claim, from: start, to: end, attempt, worker, fence, lease, result, totals } = request;
    const done: DoneInterval = { start, end, result, attempt, worker, fence, totals };
    const doneKey = this.#deps.keys.done(this.name.job, this.name.kind, start);
    const claimKey = this.#claimKey(claim);
    const rest: Op =
      left === null ? { delete: claimKey } : { put: claimKey, value: encodeClaim({ worker, attempt, ...left }), lease }; // with its lease (L3)
    const outcome = await this.#submit({
      name: `commit ${doneKey}`,
      compare: [
        { key: claimKey, target: "create", is: fence },
        { key: doneKey, target: "create", is: 0n },
      ],
      ops: [{ put: doneKey, value: encodeDone(done) }, rest],
    });
    switch (outcome.kind) {
      case "applied":
        return this.#committed(claim, done);
      case "unknown": {
        const now = await this.#deps.etcd.get(doneKey);
        const isOurs = now !== null && decodeDone(start, now).attempt === attempt;
        return isOurs ? this.#committed(claim, done) : { kind: "try-again", reason: "etcd did not answer in time" };
      }
      case "refused":
        if (outcome.current[1] != null) this.inconsistent(`${doneKey} exists, and this owner did not write it`);
        this.partition.freed(claim); // its key is gone: with its lease, or by hand
        return { kind: "claim-lost" };
      default:
        return { kind: "claim-lost" };
    }
  }

  #committed(claim: string, done: DoneInterval): CommitOutcome {
    this.partition.committed(claim, done.start, done.end);
    this.#enter(done);
    this.changed();
    return { kind: "committed" };
  }

  /** Frees a claim by the owner's own transaction, before its lease is revoked (L3). */
  freeClaim(id: string): Promise<void> {
    return this.#turns.take(id, async () => {
      const claim = this.partition.claims.get(id);
      if (claim === undefined || claim.fence === null) return;
      if (!(await this.#delete(id, claim.fence))) return;
      this.partition.freed(id);
      this.changed();
    });
  }

  /** Deletes a claim key. False: we are not the owner any more, so it is not ours to know. */
  async #delete(id: string, fence: bigint): Promise<boolean> {
    const key = this.#claimKey(id);
    for (;;) {
      const compare = [{ key, target: "create", is: fence } as const];
      const outcome = await this.#submit({ name: `free ${key}`, compare, ops: [{ delete: key }] });
      if (outcome.kind === "lost") return false;
      // Applied, or refused because it is gone already. After an unknown outcome the seal makes a read the truth.
      if (outcome.kind !== "unknown") return true;
      const now = await this.#deps.etcd.get(key);
      if (now?.createRevision !== fence) return true;
    }
  }

  /** L6: the tail of a claim from `from` on is free again. Resolves with whether anything was given back. */
  release(id: string, from: number, lease: string): Promise<boolean> {
    return this.#turns.take(id, async () => {
      const verdict = this.partition.mayRelease(id, from);
      const claim = this.partition.claims.get(id);
      if (verdict.kind === "nothing" || claim === undefined || claim.fence === null) return false;
      if (verdict.kind === "free") {
        if (!(await this.#delete(id, claim.fence))) return false;
        this.partition.freed(id);
      } else {
        if (!(await this.#put(claim, claim.fence, verdict.to, lease))) return false;
        this.partition.shrunk(id, verdict.to);
      }
      this.changed();
      return true;
    });
  }

  /** Puts a claim that stands under the lease of its worker's new session; its fence stays. False: it does not stand. */
  adopt(id: string, fence: bigint, lease: string): Promise<boolean> {
    return this.#turns.take(id, async () => {
      const claim = this.partition.claims.get(id);
      if (claim === undefined || claim.fence !== fence) return false;
      return this.#put(claim, fence, claim, lease);
    });
  }

  /** Puts a claim's key anew, with the lease (L3). False: it was not written, and is gone from memory when it is from etcd. */
  async #put(claim: Claim, fence: bigint, { start, end }: Interval, lease: string): Promise<boolean> {
    const key = this.#claimKey(claim.id);
    const attempt = newId(this.#deps.random, this.#deps.clock);
    const outcome = await this.#submit({
      name: `put ${key}`,
      compare: [{ key, target: "create", is: fence }],
      ops: [{ put: key, value: encodeClaim({ worker: claim.worker, attempt, start, end }), lease }],
    });
    if (outcome.kind === "refused") this.partition.freed(claim.id);
    if (outcome.kind !== "unknown") return outcome.kind === "applied";
    const now = await this.#deps.etcd.get(key);
    return now !== null && decodeClaim(now).attempt === attempt;
  }

  /** Nothing more is handed out or committed. */
  close(): void {
    this.#finish({ kind: "closed" });
  }

  /** L5: complete is what tiles [0, n) in etcd, read anew and checked as a set; a counter could be wrong. */
  async #complete(): Promise<void> {
    const prefix = this.#deps.keys.dones(this.name.job, this.name.kind);
    const { kvs } = await this.#deps.etcd.list(prefix);
    let covered = 0;
    for (const kv of kvs) {
      const done = this.#doneOf(kv);
      const known = this.#done.get(done?.start ?? -1);
      if (done?.start !== covered || known?.end !== done.end || known.attempt !== done.attempt) {
        return this.inconsistent(`${kv.key} is not the interval that this owner wrote after [0, ${covered})`);
      }
      covered = done.end;
    }
    if (covered === this.partition.n) this.#finish({ kind: "complete", done: this.#sorted() });
    else this.inconsistent(`${prefix} covers [0, ${covered}) of [0, ${this.partition.n})`);
  }

  #sorted(): DoneInterval[] {
    return [...this.#done.values()].sort((a, b) => a.start - b.start);
  }

  #enter(done: DoneInterval): void {
    this.#done.set(done.start, done);
    addTotals(this.#totals, done.totals);
    const { downloadMs, processMs, uploadMs } = done.totals;
    // The stages overlap, so the slowest is what a worker's time goes by.
    const ms = Math.max(Number(downloadMs), Number(processMs), Number(uploadMs));
    if (ms > 0) this.#msPerIndex = observe(this.#msPerIndex, ms, done.end - done.start);
  }

  #finish(end: LedgerEnd): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#end.resolve(end);
    this.changed();
  }

  /** Adds the compare of the meta key; its refusal means that the ledger was deleted behind the owner's back. */
  async #submit(change: Change): Promise<ChangeOutcome> {
    const meta = this.#deps.keys.ledgerMeta(this.name.job, this.name.kind);
    const compare = [...change.compare, { key: meta, target: "create", is: this.#meta.metaRevision } as const];
    const outcome = await this.#owner.submit({ ...change, compare });
    if (outcome.kind === "refused" && outcome.current.at(-1)?.createRevision !== this.#meta.metaRevision) {
      if (this.#phase === "open") this.inconsistent(`${meta} is gone, and this owner did not delete it`);
      return { kind: "lost" };
    }
    return outcome;
  }

  #doneOf(kv: KeyValue): DoneInterval | null {
    const at = this.#deps.keys.parse(kv.key);
    return at?.of === "done" ? decodeDone(at.start, kv) : null;
  }

  #claimKey(id: string): string {
    return this.#deps.keys.claim(this.name.job, this.name.kind, id);
  }

  #contradiction(key: string, { start, end }: Interval): string {
    return `${key} says [${start}, ${end}), which overlaps another interval of [0, ${this.partition.n}) or lies outside`;
  }
}
