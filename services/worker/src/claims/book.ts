/**
 * The claim book: all claims that a worker holds, over both owners, and what every word of an owner does to them. It
 * decides; the engine acts. No I/O, no clock; random ids are passed in.
 *
 * B1. A worker holds at most one claim in work and one in waiting. Claims whose indexes all have outcomes do not count: only
 *     their commits are under way. Their number is bounded too, because their results are kept (C3).
 * B2. Claims are worked on in the order in which they came. Plan and merge work runs alone; process claims run into each
 *     other, so that no slot waits at the end of one.
 */
import { dispatch } from "@sheaf/proto";
import {
  type Assigned,
  Claim,
  type Cut,
  type Hold,
  type Interval,
  type Kind,
  type Owner,
  type Pace,
  type Standing,
} from "./claim.ts";

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
  readonly #claims = new Map<string, Claim>();
  readonly #newAttempt: () => string;

  /** `newAttempt`: a random id for each run that is built. */
  constructor(newAttempt: () => string) {
    this.#newAttempt = newAttempt;
  }

  /** In the order in which they came. */
  get claims(): IterableIterator<Claim> {
    return this.#claims.values();
  }

  get size(): number {
    return this.#claims.size;
  }

  claim(id: string): Claim | undefined {
    return this.#claims.get(id);
  }

  /** A claim that is held already is left as it is. */
  assign(assigned: Assigned): void {
    if (!this.#claims.has(assigned.id)) this.#claims.set(assigned.id, new Claim(assigned));
    this.#dropIfOver(this.#claims.get(assigned.id) as Claim);
  }

  holds(): Hold[] {
    return [...this.claims].map(({ assigned: { owner, id, job, kind }, fence, from, to, next, finishedCount }) => {
      return { owner, claim: id, fence, job, kind, from, to, next, finished: finishedCount };
    });
  }

  /** B1. */
  capacity(): number {
    const working = [...this.claims].filter((claim) => !claim.isFinished).length;
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

  /** A cut is durable. False: it is not one of ours (any more). */
  committed(id: string, interval: Interval): boolean {
    const claim = this.#claims.get(id);
    if (claim?.committed(interval) !== true) return false;
    this.#dropIfOver(claim);
    return true;
  }

  refused(id: string, interval: Interval, code: dispatch.RefusedCode, still: Interval): AfterRefusal {
    const claim = this.#claims.get(id);
    const cut = claim?.cuts.find(({ from, to }) => from === interval.from && to === interval.to);
    if (claim === undefined || cut === undefined) return { kind: "nothing" };
    switch (code) {
      case dispatch.RefusedCode.TRY_AGAIN:
        return { kind: "again", cut };
      case dispatch.RefusedCode.BAD_RESULT:
        return this.#afterBadResult(claim, cut);
      case dispatch.RefusedCode.ALREADY_DONE:
      case dispatch.RefusedCode.OUTSIDE_CLAIM:
        return this.#cutAgain(claim, cut, still);
      default:
        return this.drop(id);
    }
  }

  /** Returns what to answer: the claim keeps [.., from). */
  release(id: string, from: number): number {
    const claim = this.#claims.get(id);
    if (claim === undefined) return 0;
    const end = claim.release(from);
    this.#dropIfOver(claim);
    return end;
  }

  /** Gives back all unstarted tails, and tells which claims became shorter. */
  releaseTails(): { readonly claim: Claim; readonly from: number }[] {
    return [...this.claims]
      .filter((claim) => claim.next < claim.to)
      .map((claim) => ({ claim, from: this.release(claim.assigned.id, claim.next) }));
  }

  /** An index is somebody else's now. Says whether the claim is over with it. */
  giveUp(id: string, index: number): boolean {
    const claim = this.#claims.get(id);
    claim?.giveUp(index);
    return claim !== undefined && this.#dropIfOver(claim);
  }

  drop(id: string): AfterRefusal {
    this.#claims.get(id)?.abandon();
    this.#claims.delete(id);
    return { kind: "dropped" };
  }

  /** An owner says which of its claims stand: the others are dropped. Returns what must be built again. */
  standing(owner: Owner, stand: ReadonlyMap<string, Standing>): ClaimCut[] {
    const remade: ClaimCut[] = [];
    for (const claim of [...this.claims]) {
      if (claim.assigned.owner !== owner) continue;
      const standing = stand.get(claim.assigned.id);
      if (standing === undefined) this.drop(claim.assigned.id);
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
    if (still.to <= still.from) return this.drop(claim.assigned.id);
    const remade = claim.narrow(still, this.#newAttempt);
    if (claim.cuts.includes(cut)) remade.push(...claim.recut(cut, halves(cut), this.#newAttempt, cut.builds));
    return this.#dropIfOver(claim) ? { kind: "dropped" } : { kind: "recut", cuts: remade };
  }

  #dropIfOver(claim: Claim): boolean {
    return claim.isOver && this.#claims.delete(claim.assigned.id);
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
