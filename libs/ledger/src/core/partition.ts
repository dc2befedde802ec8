/**
 * The partition of one ledger, as its owner knows it. Pure: no I/O, no clock, no randomness.
 *
 * A ledger is [0, n). Every index is done, claimed or free:
 *
 *     free --claimed()--> claimed --committed()--> done
 *       ^                    |
 *       +----- freed() ------+
 *
 * etcd is the truth about claims and done intervals; free is what is left (L5: done wins over claimed). This memory is what the
 * owner checks a commit against *before* it writes (L4): with the owner's epoch (L1) and its seal (L2) it is the guard that
 * carries, because nobody else writes the ledger; the compares of the fence and of the absent done key are the second line.
 *
 * Two steps make every change: a `may...` method decides, the caller writes to etcd, and only when etcd has applied it the
 * matching past-tense method changes this memory. Between the two, what was decided stays reserved: a claim that is being
 * written is `pending`, and a claim that has a write in flight takes no second one (the caller queues per claim).
 */

import { type Interval, IntervalSet } from "./interval-set.ts";

/** A claim: an interval that one worker holds. */
export interface Claim {
  readonly id: string;
  readonly worker: string;
  /** The lease that its key is under: every put of it names it (L3). */
  lease: string;
  /** The create revision of its key; null while the claim is being written. */
  fence: bigint | null;
  start: number;
  end: number;
  /** All that its worker was ever told to be its own: what lies outside was never in doubt. */
  readonly told: Interval;
  /** First index that the worker has not started, by its last beat. */
  next: number;
  /** Indexes that the worker has finished and not committed, by its last beat. */
  finished: number;
  /** What runs, by its last beat. */
  running: readonly Running[];
}

/** An index in work, since a time of the owner's clock in milliseconds. */
export interface Running {
  readonly index: number;
  readonly sinceMs: number;
  /** How far its command says that it is; absent: it says nothing. */
  readonly progress?: string;
}

/** Why a commit is refused. The same names as dispatch.RefusedCode. */
export type CommitVerdict =
  | { readonly kind: "ok"; readonly left: Interval | null } // what the claim shrinks to; null: it is deleted
  | { readonly kind: "claim-lost" }
  | { readonly kind: "wrong-fence" }
  | { readonly kind: "outside-claim"; readonly still: Interval; readonly isLie: boolean } // isLie: it never was the worker's
  | { readonly kind: "already-done"; readonly still: Interval | null };

/** What giving back a tail does to a claim. */
export type ReleaseVerdict =
  | { readonly kind: "nothing" } // the claim is gone, or has no such tail
  | { readonly kind: "shrink"; readonly to: Interval }
  | { readonly kind: "free" }; // nothing is left of it

export class Partition {
  readonly n: number;
  readonly #free: IntervalSet;
  readonly #done = IntervalSet.empty();
  readonly #claims = new Map<string, Claim>();

  constructor(n: number) {
    if (!Number.isSafeInteger(n) || n < 0) throw new RangeError(`a ledger has 0 or more indexes, not ${n}`);
    this.n = n;
    this.#free = IntervalSet.of(0, n);
  }

  get free(): readonly Interval[] {
    return this.#free.intervals;
  }

  get freeCount(): number {
    return this.#free.size;
  }

  get doneCount(): number {
    return this.#done.size;
  }

  get claims(): ReadonlyMap<string, Claim> {
    return this.#claims;
  }

  /** L5: whether the done intervals cover [0, n). Overlaps were refused when each was entered. */
  get isComplete(): boolean {
    return this.#done.contains(0, this.n);
  }

  /** Reserves [start, end), which is free, for a claim that is about to be written. */
  reserve(id: string, worker: string, lease: string, start: number, end: number): Claim {
    if (!this.#free.contains(start, end) || start >= end) throw new Error(`[${start}, ${end}) is not free`);
    if (this.#claims.has(id)) throw new Error(`claim ${id} exists`);
    return this.#hold({ id, worker, lease, fence: null, start, end }, { start, end });
  }

  /** The claim stands in etcd. */
  claimed(id: string, fence: bigint): void {
    this.#claim(id).fence = fence;
  }

  /** The claim is gone, or never was: what it held and is not done is free. */
  freed(id: string): void {
    const claim = this.#claims.get(id);
    if (claim === undefined) return;
    this.#claims.delete(id);
    this.#release(claim.start, claim.end);
  }

  /** L4: whether [from, to) may be committed under this claim and fence, and what the claim shrinks to then. */
  mayCommit(id: string, fence: bigint, from: number, to: number): CommitVerdict {
    const claim = this.#claims.get(id);
    if (claim === undefined) return { kind: "claim-lost" };
    if (claim.fence !== fence) return { kind: "wrong-fence" };
    if (!isInside(from, to, claim)) {
      const { start, end, told } = claim;
      return { kind: "outside-claim", still: { start, end }, isLie: !isInside(from, to, told) };
    }
    if (this.#done.overlaps(from, to)) {
      return { kind: "already-done", still: this.#done.hullOutside(claim.start, claim.end) };
    }
    return { kind: "ok", left: this.#leftOf(claim, from, to) };
  }

  /** Where the worker is, by its beat: claims and done intervals are etcd's to say, so this only informs. */
  position(id: string, next: number, finished: number, running: readonly Running[]): void {
    const claim = this.#claim(id);
    claim.next = Math.min(Math.max(next, claim.start), claim.end);
    claim.finished = finished;
    claim.running = running.filter(({ index }) => claim.start <= index && index < claim.end);
  }

  /** Its key is under another lease now. */
  adopted(id: string, lease: string): void {
    this.#claim(id).lease = lease;
  }

  /** Whether any index of [start, end) is done. */
  hasDone(start: number, end: number): boolean {
    return this.#done.overlaps(start, end);
  }

  /** What of a claim is not done; null: nothing. */
  openPart(id: string): Interval | null {
    const claim = this.#claims.get(id);
    return claim === undefined ? null : this.#done.hullOutside(claim.start, claim.end);
  }

  /** [from, to) is done, and the claim is what is left of it. */
  committed(id: string, from: number, to: number): void {
    const claim = this.#claim(id);
    const left = this.#leftOf(claim, from, to);
    this.#enterDone(from, to);
    if (left === null) {
      this.#claims.delete(id);
      return;
    }
    claim.start = left.start;
    claim.end = left.end;
    claim.next = Math.min(Math.max(claim.next, claim.start), claim.end);
  }

  /** L6: what becomes of a claim whose tail is given back from `from` on. */
  mayRelease(id: string, from: number): ReleaseVerdict {
    const claim = this.#claims.get(id);
    if (claim === undefined || claim.fence === null || from >= claim.end) return { kind: "nothing" };
    const to = this.#done.hullOutside(claim.start, Math.max(from, claim.start));
    return to === null ? { kind: "free" } : { kind: "shrink", to };
  }

  /** The claim is [start, end) now; the rest of it is free. */
  shrunk(id: string, to: Interval): void {
    const claim = this.#claim(id);
    const { start, end } = claim;
    claim.start = to.start;
    claim.end = to.end;
    claim.next = Math.min(Math.max(claim.next, to.start), to.end);
    this.#release(start, to.start);
    this.#release(to.end, end);
  }

  /** Enters a done interval that was read from etcd. False: it overlaps another, or lies outside the ledger (L5). */
  loadDone(start: number, end: number): boolean {
    if (!(0 <= start && start < end && end <= this.n) || this.#done.overlaps(start, end)) return false;
    this.#enterDone(start, end);
    return true;
  }

  /** Enters a claim that was read from etcd, after the done intervals. False: it overlaps another, or lies outside. */
  loadClaim(claim: Pick<Claim, "id" | "worker" | "lease" | "fence" | "start" | "end">): boolean {
    const { id, start, end } = claim;
    if (!(0 <= start && start < end && end <= this.n) || this.#claims.has(id)) return false;
    for (const other of this.#claims.values()) if (other.start < end && start < other.end) return false;
    // An owner before this one may have shrunk it without the worker's knowledge.
    this.#hold(claim, { start: 0, end: this.n });
    return true;
  }

  #hold(claim: Pick<Claim, "id" | "worker" | "lease" | "fence" | "start" | "end">, told: Interval): Claim {
    const held: Claim = { ...claim, told, next: claim.start, finished: 0, running: [] };
    this.#free.remove(claim.start, claim.end);
    this.#claims.set(claim.id, held);
    return held;
  }

  #enterDone(start: number, end: number): void {
    if (this.#done.overlaps(start, end)) throw new Error(`[${start}, ${end}) is done already`);
    this.#done.add(start, end);
    this.#free.remove(start, end);
  }

  /** L4: the hull of what is left of a claim when [from, to) is done as well. */
  #leftOf(claim: Claim, from: number, to: number): Interval | null {
    const before = this.#done.hullOutside(claim.start, from);
    const after = this.#done.hullOutside(to, claim.end);
    if (before === null) return after;
    return { start: before.start, end: (after ?? before).end };
  }

  /** Makes free what of [start, end) is not done. Claims are disjoint, so it is nobody else's. */
  #release(start: number, end: number): void {
    if (start >= end) return;
    this.#free.add(start, end);
    for (const part of this.#done.intervals) {
      if (part.start < end && start < part.end) this.#free.remove(part.start, part.end);
    }
  }

  #claim(id: string): Claim {
    const claim = this.#claims.get(id);
    if (claim === undefined) throw new Error(`no claim ${id}`);
    return claim;
  }
}

function isInside(from: number, to: number, whole: Interval): boolean {
  return whole.start <= from && from < to && to <= whole.end;
}
