/** What a simulated worker knows of one claim: a small model of services/worker/src/claims, whose rules C1 to C4 it keeps. */
import type { LedgerKind } from "@sheaf/ledger";

export type Role = "master" | "merge";

/** An interval that was cut as one run, and is kept until it is committed or no longer ours. */
export interface Cut {
  readonly from: number;
  readonly to: number;
  readonly attempt: string;
  /** How often the owner called its result bad. */
  bad: number;
  /** It is durable, so it may be said. */
  isStored: boolean;
}

export class WorkerClaim {
  readonly role: Role;
  readonly id: string;
  readonly job: string;
  readonly kind: LedgerKind;
  readonly assignedTo: number;
  fence: bigint;
  /** First index that was not started. */
  next: number;
  /** First index that is in no cut. */
  cutFrom: number;
  to: number;
  cuts: Cut[] = [];
  /** Since when there is something that is not cut. */
  workSince: number;
  /** Indexes in work. */
  readonly running = new Map<number, number>();
  /** Tries that the user's command has failed, from before and here. */
  readonly tries = new Map<number, number>();
  readonly quarantined = new Set<number>();
  /** Finished and not committed: whether it failed for good. */
  readonly #outcomes = new Map<number, boolean>();
  readonly #holes = new Set<number>();

  constructor(
    role: Role,
    assigned: { id: string; fence: bigint; job: string; kind: LedgerKind; from: number; to: number },
    now: number,
  ) {
    this.role = role;
    this.id = assigned.id;
    this.job = assigned.job;
    this.kind = assigned.kind;
    this.fence = assigned.fence;
    this.next = this.cutFrom = assigned.from;
    this.to = this.assignedTo = assigned.to;
    this.workSince = now;
  }

  /** First index that is not committed. */
  get from(): number {
    return this.cuts[0]?.from ?? this.cutFrom;
  }

  /** All in [cutFrom, ready) is finished. */
  get ready(): number {
    let at = this.cutFrom;
    while (at < this.to && this.#outcomes.has(at)) at++;
    return at;
  }

  /** Nothing is left to run. */
  get isFinished(): boolean {
    return this.ready >= this.to;
  }

  /** Nothing is left to run or to commit. */
  get isOver(): boolean {
    return this.cutFrom >= this.to && this.cuts.length === 0;
  }

  get finished(): number {
    return this.#outcomes.size;
  }

  holds(index: number): boolean {
    return index >= this.cutFrom && index < this.to && !this.#holes.has(index);
  }

  /** The next index to run. */
  start(): number | undefined {
    while (this.next < this.to && this.#holes.has(this.next)) this.next++;
    return this.next < this.to ? this.next++ : undefined;
  }

  finish(index: number, failed: boolean): void {
    if (this.holds(index)) this.#outcomes.set(index, failed);
  }

  failedIn(from: number, to: number): number {
    let failed = 0;
    for (let i = from; i < to; i++) if (this.#outcomes.get(i) === true) failed++;
    return failed;
  }

  /** Cuts what is finished in order; null: nothing is. */
  cut(attempt: string, now: number): Cut | null {
    this.#skipHoles();
    const to = this.ready;
    if (to === this.cutFrom) return null;
    const cut = { from: this.cutFrom, to, attempt, bad: 0, isStored: false };
    this.cuts.push(cut);
    this.cutFrom = to;
    this.workSince = now;
    this.#skipHoles();
    return cut;
  }

  /** Whether a cut cannot grow: the claim is finished, or somebody else's index follows. */
  get mustCut(): boolean {
    const { ready } = this;
    return ready >= this.to || this.#holes.has(ready);
  }

  committed(from: number, to: number): void {
    this.cuts = this.cuts.filter((cut) => cut.from !== from || cut.to !== to);
  }

  release(from: number): number {
    this.#shrinkTo(Math.max(from, this.next));
    return this.to;
  }

  /** Only [from, to) is still ours. What is cut again comes back. */
  narrow(from: number, to: number, attempt: () => string): Cut[] {
    this.#shrinkTo(Math.max(to, Math.min(from, this.to)));
    const again: Cut[] = [];
    this.cuts = this.cuts.flatMap((cut) => {
      const part = { from: Math.max(cut.from, from), to: Math.min(cut.to, this.to) };
      if (part.from === cut.from && part.to === cut.to) return [cut];
      if (part.from >= part.to) return [];
      const made = { ...part, attempt: attempt(), bad: cut.bad, isStored: false };
      again.push(made);
      return [made];
    });
    if (from > this.cutFrom) {
      this.cutFrom = Math.min(from, this.to);
      this.next = Math.max(this.next, this.cutFrom);
    }
    return again;
  }

  /** Replaces a cut by its halves: one of them holds what is not ours. */
  halve(cut: Cut, attempt: () => string): Cut[] {
    const middle = cut.from + ((cut.to - cut.from) >> 1);
    const parts =
      cut.to - cut.from === 1
        ? []
        : [
            { from: cut.from, to: middle },
            { from: middle, to: cut.to },
          ];
    const made = parts.map((part) => ({ ...part, attempt: attempt(), bad: cut.bad, isStored: false }));
    this.cuts = this.cuts.flatMap((one) => (one === cut ? made : [one]));
    return made;
  }

  giveUp(index: number): void {
    if (!this.holds(index)) return;
    this.#holes.add(index);
    this.#outcomes.delete(index);
    this.#skipHoles();
  }

  #skipHoles(): void {
    while (this.#holes.has(this.cutFrom) && this.cutFrom < this.to) this.cutFrom++;
    this.next = Math.max(this.next, this.cutFrom);
  }

  #shrinkTo(to: number): void {
    if (to >= this.to) return;
    this.to = to;
    this.next = Math.min(this.next, to);
    this.cutFrom = Math.min(this.cutFrom, to);
  }
}
