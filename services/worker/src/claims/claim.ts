/**
 * What a worker knows of one claim: which of its indexes are prepared, started, finished, cut and committed. It decides and
 * does nothing: no I/O, no clock, no randomness.
 *
 * C1. Indexes are started in order, each once; `next` is the first that was not. What lies beyond may be given back (L6).
 * C2. A cut is a contiguous interval of finished indexes inside the claim; cuts ascend and do not overlap (L4).
 * C3. Results are kept until their cut is committed, or is no longer ours. After a refusal they are cut again inside what is
 *     still ours (L4).
 * C4. The claim only ever shrinks.
 * C5. An index that somebody else has committed (L7) is a hole: nothing of it is kept, and cuts are made around it, those that
 *     had it inside among them.
 *
 *     from        cutFrom       ready         next        prepared       to
 *      | cuts ...  | finished    | finished,   | prepared  | untouched    |
 *      |           | in order    | with gaps   |           |              |
 */
import type { Assigned, Cut, Interval, Pace, Running, Standing } from "./terms.ts";

export class Claim {
  readonly assigned: Assigned;
  #fence: bigint;
  #to: number;
  #prepared: number;
  #next: number;
  #ready: number;
  #readyBytes = 0;
  #cutFrom: number;
  #cuts: Cut[] = [];
  /** Finished indexes at or after cutFrom, and the bytes that each put out. */
  readonly #finished = new Map<number, number>();
  /** Indexes at or after cutFrom that are somebody else's now. */
  readonly #holes = new Set<number>();
  /** When the tries that run now began, and how far they say that they are. */
  readonly #running = new Map<number, { readonly since: number; progress: string }>();
  /** Failed tries of indexes that have no outcome yet (L9). */
  readonly #tries = new Map<number, number>();
  #finishedCount = 0;
  #workSince: number | undefined;

  constructor(assigned: Assigned) {
    this.assigned = assigned;
    this.#fence = assigned.fence;
    this.#to = assigned.to;
    this.#prepared = this.#next = this.#ready = this.#cutFrom = assigned.from;
  }

  /** Every commit names it (L3). */
  get fence(): bigint {
    return this.#fence;
  }

  /** First index that is not committed. */
  get from(): number {
    return this.#cuts[0]?.from ?? this.#cutFrom;
  }

  get to(): number {
    return this.#to;
  }

  /** First index that is in no cut. */
  get cutFrom(): number {
    return this.#cutFrom;
  }

  /** All in [cutFrom, ready) is finished. */
  get ready(): number {
    return this.#ready;
  }

  /** First index that was not started. */
  get next(): number {
    return Math.min(this.#next, this.#to);
  }

  /** Indexes that were finished here, committed or not. */
  get finishedCount(): number {
    return this.#finishedCount;
  }

  get cuts(): readonly Cut[] {
    return this.#cuts;
  }

  /** Indexes that run now. */
  running(now: number): Running[] {
    return [...this.#running]
      .filter(([index]) => this.holds(index))
      .map(([index, { since, progress }]) => ({ index, ms: Math.max(0, now - since), progress }));
  }

  /** Indexes that failed and have no outcome yet, and their tries so far. */
  openTries(): [index: number, tries: number][] {
    return [...this.#tries].filter(([index]) => this.holds(index));
  }

  /** Nothing is left to run. */
  get isFinished(): boolean {
    return this.#ready >= this.#to;
  }

  /** Nothing is left to run or to commit. */
  get isOver(): boolean {
    return this.#cutFrom >= this.#to && this.#cuts.length === 0;
  }

  /** Whether there is an index to prepare. */
  get hasUnprepared(): boolean {
    this.#skipHoles();
    return this.#prepared < this.#to;
  }

  /** The next index to prepare. */
  prepare(): number | undefined {
    return this.hasUnprepared ? this.#prepared++ : undefined;
  }

  /** Whether work on the index still serves this claim. */
  holds(index: number): boolean {
    return index >= this.#cutFrom && index < this.#to && !this.#holes.has(index);
  }

  /** A try of the index begins. False: it is no longer ours, do not run it. */
  start(index: number, now: number): boolean {
    if (!this.holds(index)) return false;
    this.#next = Math.max(this.#next, index + 1);
    this.#workSince ??= now;
    this.#running.set(index, { since: now, progress: "" });
    return true;
  }

  /** The command says how far it is. */
  progressed(index: number, progress: string): void {
    const running = this.#running.get(index);
    if (running !== undefined) running.progress = progress;
  }

  /** The try has ended; the outcome of the index may be open still. */
  ended(index: number): void {
    this.#running.delete(index);
  }

  /** A try has failed and others follow. */
  tried(index: number, tries: number): void {
    if (this.holds(index)) this.#tries.set(index, tries);
  }

  /** The index has its outcome. False: it is no longer ours, drop it. */
  finish(index: number, bytes: number): boolean {
    this.#running.delete(index);
    this.#tries.delete(index);
    if (!this.holds(index) || this.#finished.has(index)) return false;
    this.#finished.set(index, bytes);
    this.#finishedCount++;
    this.#advance();
    return true;
  }

  /** What shall be cut now, or undefined. */
  due(now: number, pace: Pace): Interval | undefined {
    if (this.#ready === this.#cutFrom) return undefined;
    const since = this.#workSince ?? now;
    const isDue =
      this.#ready >= this.#to ||
      this.#holes.has(this.#ready) ||
      this.#readyBytes >= pace.cutBytes ||
      now - since >= pace.cutIntervalMs;
    return isDue ? { from: this.#cutFrom, to: this.#ready } : undefined;
  }

  /** Cuts what is due. */
  cut(attempt: string, now: number): Cut {
    const cut = { from: this.#cutFrom, to: this.#ready, attempt, builds: 1 };
    for (let index = cut.from; index < cut.to; index++) this.#finished.delete(index);
    this.#cuts.push(cut);
    this.#cutFrom = this.#ready;
    this.#readyBytes = 0;
    this.#workSince = this.#next > this.#cutFrom ? now : undefined;
    this.#advance();
    return cut;
  }

  /** The cut is durable: its results may be dropped. False: it is not one of ours (any more). */
  committed(interval: Interval): boolean {
    const at = this.#cuts.findIndex((cut) => cut.from === interval.from && cut.to === interval.to);
    if (at < 0) return false;
    this.#cuts.splice(at, 1);
    return true;
  }

  /** Replaces a cut by others that tile a part of it; what is left out is given up. Returns the new ones. */
  recut(cut: Cut, intervals: readonly Interval[], attempt: () => string, builds: number): Cut[] {
    const made = intervals.map(({ from, to }) => ({ from, to, attempt: attempt(), builds }));
    const at = this.#cuts.indexOf(cut);
    if (at >= 0) this.#cuts.splice(at, 1, ...made);
    return at >= 0 ? made : [];
  }

  /** Gives back what lies at or after `from` and was not started (C1). Returns the new end. */
  release(from: number): number {
    this.#shrinkTo(Math.max(from, this.next));
    return this.#to;
  }

  /**
   * Only [from, to) is still ours (C4). Returns the cuts that lie partly inside, cut again to what does; those outside are
   * dropped.
   */
  narrow({ from, to }: Interval, attempt: () => string): Cut[] {
    this.#shrinkTo(Math.max(to, Math.min(from, this.#to)));
    const remade: Cut[] = [];
    for (const cut of [...this.#cuts]) {
      const part = { from: Math.max(cut.from, from), to: Math.min(cut.to, this.#to) };
      if (part.from === cut.from && part.to === cut.to) continue;
      remade.push(...this.recut(cut, part.from < part.to ? [part] : [], attempt, cut.builds));
    }
    this.#beginAt(Math.min(from, this.#to));
    return remade;
  }

  /** It stands after a new greeting. Returns the cuts that must be built again. */
  stand({ fence, from, to }: Standing, attempt: () => string): Cut[] {
    this.#fence = fence;
    return this.narrow({ from, to }, attempt);
  }

  /** Nothing of it is ours any more. */
  abandon(): void {
    this.#cuts = [];
    this.#shrinkTo(0);
  }

  /** The index is somebody else's (C5). Returns the cuts that are left of the one that it was in. */
  giveUp(index: number, attempt: () => string): Cut[] {
    const cut = this.#cuts.find(({ from, to }) => index >= from && index < to);
    if (cut !== undefined) return this.recut(cut, around(cut, index), attempt, cut.builds);
    if (!this.holds(index)) return [];
    this.#holes.add(index);
    this.#finished.delete(index);
    if (index < this.#ready) this.#recount();
    this.#advance();
    return [];
  }

  #shrinkTo(to: number): void {
    if (to >= this.#to) return;
    this.#to = to;
    this.#cutFrom = Math.min(this.#cutFrom, to);
    this.#prepared = Math.min(this.#prepared, to);
    for (const index of this.#finished.keys()) if (index >= to) this.#finished.delete(index);
    this.#recount();
    this.#advance();
  }

  #beginAt(from: number): void {
    if (from <= this.#cutFrom) return;
    for (const index of this.#finished.keys()) if (index < from) this.#finished.delete(index);
    this.#cutFrom = from;
    this.#next = Math.max(this.#next, from);
    this.#prepared = Math.max(this.#prepared, from);
    this.#recount();
    this.#advance();
  }

  #recount(): void {
    this.#ready = this.#cutFrom;
    this.#readyBytes = 0;
    for (let index = this.#ready; index < this.#to && this.#finished.has(index); index++) {
      this.#ready = index + 1;
      this.#readyBytes += this.#finished.get(index) ?? 0;
    }
  }

  /** Moves `ready` over what is finished, and everything over holes that nothing lies before. */
  #advance(): void {
    for (;;) {
      const bytes = this.#finished.get(this.#ready);
      if (bytes !== undefined && this.#ready < this.#to) {
        this.#ready++;
        this.#readyBytes += bytes;
      } else if (this.#ready === this.#cutFrom && this.#holes.delete(this.#cutFrom)) {
        this.#ready = ++this.#cutFrom;
        this.#next = Math.max(this.#next, this.#cutFrom);
        this.#prepared = Math.max(this.#prepared, this.#cutFrom);
      } else return;
    }
  }

  #skipHoles(): void {
    while (this.#prepared < this.#to && this.#holes.has(this.#prepared)) this.#prepared++;
  }
}

function around({ from, to }: Interval, hole: number): Interval[] {
  return [
    { from, to: hole },
    { from: hole + 1, to },
  ].filter((part) => part.from < part.to);
}
