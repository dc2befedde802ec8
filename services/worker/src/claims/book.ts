/**
 * The claim book: all claims that a worker holds, over both owners, and what every word of an owner does to them. It
 * decides; the engine acts. No I/O, no clock; random ids are passed in.
 *
 * B1. A worker holds at most one claim in work and one in waiting. Claims whose indexes all have outcomes do not count: only
 *     their commits are under way. Their number is bounded too, because their results are kept (C3).
 * B2. Claims are worked on in the order in which they came. Plan and merge work runs alone; process claims run into each
 *     other, so that no slot waits at the end of one.
 * B3. A race is a claim like others, of one index of a claim that another worker holds; several may have that claim's id. It
 *     ends with whatever goes wrong, and with its session; nobody is told, for there is nothing to give back (L7).
 */
import { dispatch } from "@sheaf/proto";
import { Claim } from "./claim.ts";
import type { Assigned, Cut, Hold, Interval, Kind, Owner, Pace, Standing } from "./terms.ts";

/** Claims that may be in work or waiting. */
const CLAIMS_MAX = 2;
/** Claims in all, with those that only wait for their commits. */
const HELD_MAX = 6;
/** How often a run is built of the same results, when the owner calls it bad, before the claim is given back. */
const BUILDS_MAX = 2;

/** A cut of a claim. */
export interface ClaimCut {
  readonly claim: Claim;
  readonly cut: Cut;
}

/** What to do about a refusal. */
export type AfterRefusal =
  | { readonly kind: "nothing" }
  /** Send the same commit again, after a wait. */
  | { readonly kind: "again"; readonly cut: Cut }
  /** Build and commit these. */
  | { readonly kind: "recut"; readonly cuts: readonly Cut[] }
  /** The claim is shorter now: tell the owner. */
  | { readonly kind: "given-back"; readonly from: number }
  /** The claim is gone. */
  | { readonly kind: "dropped" };

export class ClaimBook {
  readonly #claims = new Set<Claim>();
  readonly #newAttempt: () => string;

  /** `newAttempt`: a random id for each run that is built. */
  constructor(newAttempt: () => string) {
    this.#newAttempt = newAttempt;
  }

  /** In the order in which they came. */
  get claims(): readonly Claim[] {
    return [...this.#claims];
  }

  get size(): number {
    return this.#claims.size;
  }

  has(claim: Claim): boolean {
    return this.#claims.has(claim);
  }

  /** The claim, that is no race. */
  claim(id: string): Claim | undefined {
    return this.claims.find(({ assigned }) => assigned.id === id && !assigned.isRace);
  }

  /** The claim, or the races of it; those that had the index, if one is given (B3). */
  named(id: string, index?: number): Claim[] {
    return this.claims.filter(
      ({ assigned: { id: each, from, to } }) => each === id && (index === undefined || (index >= from && index < to)),
    );
  }

  /** A claim that is held already is left as it is. */
  assign(assigned: Assigned): void {
    if (this.named(assigned.id, assigned.from).length === 0) this.#claims.add(new Claim(assigned));
  }

  holds(now: number): Hold[] {
    return this.claims.map((claim) => {
      const { assigned, fence, from, to, next, finishedCount: finished } = claim;
      const { owner, id, job, kind, isRace } = assigned;
      return { owner, claim: id, fence, job, kind, from, to, next, finished, isRace, running: claim.running(now) };
    });
  }

  /** B1. */
  capacity(): number {
    const working = this.claims.filter((claim) => !claim.isFinished).length;
    return Math.max(0, Math.min(CLAIMS_MAX - working, HELD_MAX - this.size));
  }

  /** The first claim with an index to prepare, if it is its turn (B2). */
  nextToPrepare(kind: Kind): Claim | undefined {
    for (const claim of this.claims) {
      if (claim.isFinished) continue;
      const runsAlone = claim.assigned.kind !== "process";
      if (claim.assigned.kind === kind && claim.hasUnprepared) return claim;
      // What runs alone waits for all before it, and all behind wait for it; process claims only run into each other.
      if (runsAlone || kind !== "process") return undefined;
    }
    return undefined;
  }

  /** All intervals that shall be cut now, cut. `attemptOf` names the attempt of a run that was begun before. */
  cutDue(now: number, pace: Pace, attemptOf: (claim: Claim) => string | undefined = () => undefined): ClaimCut[] {
    const made: ClaimCut[] = [];
    for (const claim of this.claims) {
      while (claim.due(now, pace) !== undefined) {
        made.push({ claim, cut: claim.cut(attemptOf(claim) ?? this.#newAttempt(), now) });
      }
    }
    return made;
  }

  /** A cut is durable: the claim that it was of, or undefined when it is none of ours (any more). */
  committed(id: string, interval: Interval): Claim | undefined {
    const claim = this.named(id, interval.from).find((each) => each.committed(interval));
    if (claim !== undefined) this.#dropIfOver(claim);
    return claim;
  }

  refused(claim: Claim, interval: Interval, code: dispatch.RefusedCode, still: Interval): AfterRefusal {
    const cut = claim.cuts.find(({ from, to }) => from === interval.from && to === interval.to);
    if (cut === undefined) return { kind: "nothing" };
    if (claim.assigned.isRace) return this.drop(claim);
    switch (code) {
      case dispatch.RefusedCode.TRY_AGAIN:
        return { kind: "again", cut };
      case dispatch.RefusedCode.BAD_RESULT:
        return this.#afterBadResult(claim, cut);
      case dispatch.RefusedCode.ALREADY_DONE:
      case dispatch.RefusedCode.OUTSIDE_CLAIM:
        return this.#cutAgain(claim, cut, still);
      default:
        // CLAIM_LOST, WRONG_FENCE, JOB_OVER: nothing of it is ours.
        return this.drop(claim);
    }
  }

  /** Returns what to answer: the claim keeps [.., from). */
  release(id: string, from: number): number {
    const claim = this.claim(id);
    if (claim === undefined) return 0;
    const end = claim.release(from);
    this.#dropIfOver(claim);
    return end;
  }

  /** Gives back all unstarted tails, and tells which claims became shorter. Races end. */
  releaseTails(): { readonly claim: Claim; readonly from: number }[] {
    for (const claim of this.claims) if (claim.assigned.isRace) this.drop(claim);
    return this.claims
      .filter((claim) => claim.next < claim.to)
      .map((claim) => ({ claim, from: this.release(claim.assigned.id, claim.next) }));
  }

  /** Somebody else was first with the index (L7): a race for it is over, a claim goes on around it. Returns what to build. */
  giveUp(id: string, index: number): ClaimCut[] {
    const remade: ClaimCut[] = [];
    for (const claim of this.named(id, index)) {
      if (claim.assigned.isRace) this.drop(claim);
      else for (const cut of claim.giveUp(index, this.#newAttempt)) remade.push({ claim, cut });
      this.#dropIfOver(claim);
    }
    return remade;
  }

  drop(claim: Claim): AfterRefusal {
    claim.abandon();
    this.#claims.delete(claim);
    return { kind: "dropped" };
  }

  /** The session with the owner is over, and its races with it (B3). */
  sessionLost(owner: Owner): void {
    for (const claim of this.claims) if (claim.assigned.owner === owner && claim.assigned.isRace) this.drop(claim);
  }

  /** An owner says which of its claims stand: the others are dropped. Returns what must be built again. */
  standing(owner: Owner, stand: ReadonlyMap<string, Standing>): ClaimCut[] {
    this.sessionLost(owner);
    const remade: ClaimCut[] = [];
    for (const claim of this.claims) {
      if (claim.assigned.owner !== owner) continue;
      const standing = stand.get(claim.assigned.id);
      if (standing === undefined) this.drop(claim);
      else for (const cut of claim.stand(standing, this.#newAttempt)) remade.push({ claim, cut });
      this.#dropIfOver(claim);
    }
    return remade;
  }

  /** One more build; then the results are not worth more time here. */
  #afterBadResult(claim: Claim, cut: Cut): AfterRefusal {
    if (cut.builds < BUILDS_MAX) {
      return { kind: "recut", cuts: claim.recut(cut, [cut], this.#newAttempt, cut.builds + 1) };
    }
    claim.narrow({ from: claim.from, to: cut.from }, this.#newAttempt);
    const from = claim.to;
    this.#dropIfOver(claim);
    return { kind: "given-back", from };
  }

  /** L4: inside what is still ours. If that holds the whole cut, part of it is not ours all the same: halves find it. */
  #cutAgain(claim: Claim, cut: Cut, still: Interval): AfterRefusal {
    if (still.to <= still.from) return this.drop(claim);
    const remade = claim.narrow(still, this.#newAttempt);
    if (claim.cuts.includes(cut)) remade.push(...claim.recut(cut, halves(cut), this.#newAttempt, cut.builds));
    return this.#dropIfOver(claim) ? { kind: "dropped" } : { kind: "recut", cuts: remade };
  }

  #dropIfOver(claim: Claim): boolean {
    return claim.isOver && this.#claims.delete(claim);
  }
}

/** An interval of one index has no halves. */
function halves({ from, to }: Interval): Interval[] {
  if (to - from === 1) return [];
  const middle = from + Math.floor((to - from) / 2);
  return [
    { from, to: middle },
    { from: middle, to },
  ];
}
