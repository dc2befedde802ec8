/**
 * One ledger in etcd, written by its owner alone (L1).
 *
 * Every method follows one line: decide on the partition, write one change, and change the partition by what etcd says. A claim
 * has at most one write in flight; the next one waits for its turn and decides anew.
 */

import { create } from "@bufbuild/protobuf";
import type { Keys, KeyValue } from "@sheaf/etcd";
import { dispatch, type store } from "@sheaf/proto";
import { newId } from "@sheaf/runtime";
import { Attempts, type OpenTries } from "../core/attempts.ts";
import type { Interval } from "../core/interval-set.ts";
import { LostPieces } from "../core/lost-pieces.ts";
import { type Claim, Partition } from "../core/partition.ts";
import { Rates } from "../core/rates.ts";
import type { DoneInterval, Ledger, LedgerEnd, LedgerName, LedgerProgress } from "../door.ts";
import { addTotals, decodeClaim, encodeDone } from "../ledger-records.ts";
import { ClaimKeys, revisionIf } from "./claim-keys.ts";
import { FailureKeys } from "./failure-keys.ts";
import type { ClaimOutcome, CommitOutcome, CommitRequest, LedgerMeta } from "./ledger-outcomes.ts";
import { type LedgerWrite, LedgerWrites, type Written } from "./ledger-writes.ts";
import { type LedgerKeyValues, loadLedger } from "./load-ledger.ts";
import type { OwnerDeps, OwnerKey } from "./ownership.ts";
import { progressOf } from "./progress.ts";
import { tilesExactly } from "./tiling.ts";
import { Turns } from "./turns.ts";

export interface LedgerDeps extends OwnerDeps {
  readonly keys: Keys;
}

export class EtcdLedger implements Ledger {
  readonly name: LedgerName;
  readonly order: string;
  readonly input: store.ObjectRef;
  readonly speculation: boolean;
  readonly partition: Partition;
  readonly rates = new Rates();
  readonly lostPieces = new LostPieces();
  readonly attempts = new Attempts();
  readonly #deps: LedgerDeps;
  readonly #writes: LedgerWrites;
  readonly #claimKeys: ClaimKeys;
  readonly #failureKeys: FailureKeys;
  readonly #giveUpAfterFailed: number;
  readonly #done = new Map<number, DoneInterval>();
  readonly #totals = create(dispatch.TotalsSchema);
  readonly #turns = new Turns();
  readonly #end = Promise.withResolvers<LedgerEnd>();
  readonly #callbacks: (() => void)[] = [];
  #steals = 0;
  #phase: "open" | "ending" | "ended" = "open";

  constructor(deps: LedgerDeps, owner: OwnerKey, meta: LedgerMeta) {
    this.#deps = deps;
    this.name = meta.name;
    this.order = meta.order;
    this.input = meta.input;
    this.speculation = meta.speculation;
    this.#giveUpAfterFailed = meta.giveUpAfterFailed;
    this.partition = new Partition(meta.n);
    this.#writes = new LedgerWrites(
      deps,
      owner,
      deps.keys.ledgerMeta(meta.name.job, meta.name.kind),
      meta.metaRevision,
    );
    const write = (one: LedgerWrite) => this.#write(one);
    this.#claimKeys = new ClaimKeys(deps, meta.name, write);
    this.#failureKeys = new FailureKeys(deps.keys, meta.name, write);
    void owner.lost.then(() => this.close());
  }

  get end(): Promise<LedgerEnd> {
    return this.#end.promise;
  }

  get handsOut(): boolean {
    return this.#phase === "open" && !this.#givesUp;
  }

  /** L10: more work is in vain. */
  get #givesUp(): boolean {
    return Number(this.#totals.failed) >= this.#giveUpAfterFailed;
  }

  onProgress(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  /** Tells those who watch: something changed. */
  changed(): void {
    for (const callback of this.#callbacks) callback();
  }

  progress(): LedgerProgress {
    return progressOf(this.partition, this.attempts, this.#totals, this.#steals, this.rates.overall);
  }

  /** Enters what stands in etcd. What contradicts itself ends the ledger, naming the key (L5). */
  load(kvs: LedgerKeyValues): void {
    const contradiction = loadLedger(this.#deps.keys, kvs, this.partition, this.attempts, (done) => this.#enter(done));
    if (contradiction !== null) this.inconsistent(contradiction);
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
        this.#deps.log.warn({ ledger: this.name, err: error }, "cannot read the done intervals; trying again");
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
    const claim = this.partition.reserve(id ?? newId(random, clock), worker, lease, start, end);
    return this.#turns.take(claim.id, () => this.#writeClaim(claim));
  }

  async #writeClaim(claim: Claim): Promise<ClaimOutcome> {
    const written = await this.#claimKeys.create(claim);
    if (written.kind === "written") {
      this.partition.claimed(claim.id, written.revision);
      this.changed();
      return { kind: "claimed", claim, fence: written.revision };
    }
    this.partition.freed(claim.id);
    if (written.kind === "no-lease") return { kind: "session-gone" };
    return { kind: written.kind === "lost" ? "lost" : "not-claimed" };
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
    const { from: start, to: end, attempt, worker, fence, result } = request;
    const claim = this.partition.claims.get(request.claim) as Claim;
    // L7: whoever was first, it was committed once; that it was a backup is only counted.
    const totals = claim.worker === worker ? request.totals : { ...request.totals, backups: BigInt(end - start) };
    const done: DoneInterval = { start, end, result, attempt, worker, fence, totals };
    const doneKey = this.#deps.keys.done(this.name.job, this.name.kind, start);
    const value = encodeDone(done);
    const tried = this.attempts.indexes(start, end);
    const written = await this.#write({
      name: `commit ${doneKey}`,
      compare: [
        { key: this.#claimKeys.key(claim.id), target: "create", is: fence },
        { key: doneKey, target: "create", is: 0n },
      ],
      ops: [{ put: doneKey, value }, this.#claimKeys.rest(claim, left), ...this.#failureKeys.withCommit(tried)],
      proof: { key: doneKey, revisionOf: (now) => revisionIf(now, value, now?.createRevision) },
    });
    switch (written.kind) {
      case "written":
        this.partition.committed(claim.id, start, end);
        this.#enter(done);
        this.attempts.forget(tried);
        void this.#failureKeys.deleteRest(tried);
        this.changed();
        return { kind: "committed" };
      case "not-written":
        await this.#checkUntouched(claim, doneKey);
        return { kind: "try-again", reason: "etcd did not answer in time" };
      case "refused":
        if (written.current[1] != null) this.inconsistent(`${doneKey} exists, and this owner did not write it`);
        await this.#claimGone(claim, written.current[0] ?? null);
        return { kind: "claim-lost" };
      default:
        return { kind: "claim-lost" };
    }
  }

  /** Frees a claim by the owner's own transaction, before its lease is revoked (L3). Resolves with what was freed of it. */
  freeClaim(id: string): Promise<Interval | null> {
    return this.#turns.take(id, async () => {
      const claim = this.partition.claims.get(id);
      if (claim === undefined || !(await this.#claimKeys.delete(claim))) return null;
      const open = this.partition.openPart(id);
      this.partition.freed(id);
      this.changed();
      return open;
    });
  }

  /** L6: the tail of a claim from `from` on is free again. Resolves with whether anything was given back. */
  release(id: string, from: number): Promise<boolean> {
    return this.#turns.take(id, async () => {
      const verdict = this.partition.mayRelease(id, from);
      const claim = this.partition.claims.get(id);
      if (verdict.kind === "nothing" || claim === undefined) return false;
      if (verdict.kind === "free") {
        if (!(await this.#claimKeys.delete(claim))) return false;
        this.partition.freed(id);
      } else {
        if (!(await this.#put(claim, verdict.to, claim.lease))) return false;
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
      if (!(await this.#put(claim, claim, lease))) return false;
      this.partition.adopted(id, lease);
      return true;
    });
  }

  /** L9: the command has failed `tries` times with this datum. Recorded before the claim leaves the worker. */
  tried(id: string, index: number, tries: number): Promise<void> {
    return this.#turns.take(id, async () => {
      const claim = this.partition.claims.get(id);
      if (claim === undefined || index < claim.start || index >= claim.end) return;
      await this.#noteTries(index, this.attempts.tried(index, tries));
    });
  }

  /** L9: a worker is gone, and this datum was alone in the claim that it held. */
  async lostAlone(index: number, worker: string): Promise<void> {
    await this.#noteTries(index, this.attempts.lost(index, worker));
  }

  /** A worker was asked to give back a tail, and did. */
  stolen(): void {
    this.#steals++;
  }

  /** Nothing more is handed out or committed. */
  close(): void {
    this.#finish({ kind: "closed" });
  }

  async #noteTries(index: number, tries: OpenTries | null): Promise<void> {
    if (tries === null || this.partition.hasDone(index, index + 1)) return;
    await this.#failureKeys.put(index, tries);
    if (this.partition.hasDone(index, index + 1)) {
      // It was committed meanwhile.
      this.attempts.forget([index]);
      await this.#failureKeys.deleteRest([index], 0);
    }
    this.changed();
  }

  /** Puts a claim's key anew. False: it was not written, and is gone from memory when it is from etcd. */
  async #put(claim: Claim, to: Interval, lease: string): Promise<boolean> {
    const written = await this.#claimKeys.put(claim, to, lease);
    if (written.kind === "refused") await this.#claimGone(claim, written.current[0] ?? null);
    return written.kind === "written";
  }

  /** A commit that was not applied has left its claim as it was; else it was applied, and somebody deleted the done key since (L5). */
  async #checkUntouched(claim: Claim, doneKey: string): Promise<void> {
    const now = await this.#writes.read(this.#claimKeys.key(claim.id));
    if (now == null || now.createRevision !== claim.fence) return; // the next write of it finds that out
    if (!isInterval(now, claim)) this.inconsistent(`${doneKey} was deleted, and not by this owner`);
  }

  /** The key of a claim is not what this owner wrote: it went with its lease, or somebody's hand was in it (L5). */
  async #claimGone(claim: Claim, now: KeyValue | null): Promise<void> {
    if (await this.#claimKeys.isByHand(claim, now)) {
      const what = now === null ? "deleted" : "put anew";
      this.inconsistent(`${this.#claimKeys.key(claim.id)} was ${what}, and not by this owner`);
    }
    this.partition.freed(claim.id);
  }

  /** L5: complete is what tiles [0, n) in etcd, read anew and checked as a set; a counter could be wrong. */
  async #complete(): Promise<void> {
    const { keys, etcd } = this.#deps;
    const prefix = keys.dones(this.name.job, this.name.kind);
    const { kvs } = await etcd.list(prefix);
    const contradiction = tilesExactly(keys, prefix, kvs, this.partition.n, this.#done);
    if (contradiction === null) this.#finish({ kind: "complete", done: this.#sorted() });
    else this.inconsistent(contradiction);
  }

  #sorted(): DoneInterval[] {
    return [...this.#done.values()].sort((a, b) => a.start - b.start);
  }

  #enter(done: DoneInterval): void {
    this.#done.set(done.start, done);
    addTotals(this.#totals, done.totals);
    this.rates.enter(done);
    this.lostPieces.done(done.start, done.end);
  }

  #finish(end: LedgerEnd): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#end.resolve(end);
    this.changed();
  }

  async #write(write: LedgerWrite): Promise<Written> {
    const written = await this.#writes.write(write);
    if (written.kind === "meta-gone" && this.#phase === "open") {
      this.inconsistent(`${this.#writes.metaKey} was deleted or changed, and not by this owner`);
    }
    return written;
  }
}

/** Whether the key of a claim says this interval; one that cannot be read says nothing. */
function isInterval(kv: KeyValue, { start, end }: Interval): boolean {
  try {
    const claim = decodeClaim(kv);
    return claim.start === start && claim.end === end;
  } catch {
    return false;
  }
}
