/**
 * What was lost with a worker does not wait behind what others hold and have not started: one worker for each lost part gives all of
 * that back, as if it were stolen (L6), and so wants work, of which what was lost is the first.
 */
import type { Steal } from "./steal.ts";
import { type LedgerView, oldestFirst, type WorkerView } from "./view.ts";
import { workOf } from "./work-left.ts";

/** What a worker holds. */
interface Holding<L extends LedgerView> {
  readonly worker: string;
  readonly tails: Steal<L>[];
  /** Milliseconds until it has done what it has begun. */
  begunMs: number;
  /** It was asked, and has not said since where it is. */
  asked: boolean;
}

export interface MakeWay<L extends LedgerView> {
  readonly kind: "make-way";
  /** All that one worker has not started. */
  readonly tails: readonly Steal<L>[];
}

/** Null: nothing was lost, enough were asked, or nobody has anything to give back. */
export function nextToMakeWay<L extends LedgerView>(
  ledgers: readonly L[],
  workers: readonly WorkerView[],
  now: number,
): MakeWay<L> | null {
  const [oldest] = oldestFirst(ledgers).filter((ledger) => lostParts(ledger) > 0);
  if (oldest === undefined) return null;
  // What is older than all that was lost would come before it again.
  const holdings = holdingsOf(
    ledgers.filter(({ order }) => order >= oldest.order),
    now,
  );
  if (holdings.filter(({ asked }) => asked).length >= lostParts(oldest)) return null;
  const alone = new Set(workers.filter(({ isAlone }) => isAlone).map(({ id }) => id));
  const soonest = holdings
    .filter(({ worker, tails, asked }) => !asked && tails.length > 0 && !alone.has(worker))
    .reduce<Holding<L> | null>((best, one) => (best === null || one.begunMs < best.begunMs ? one : best), null);
  return soonest && { kind: "make-way", tails: soonest.tails };
}

/** A suspect waits for a worker that holds nothing, which none becomes by this (L9). */
function lostParts({ lost, suspects }: LedgerView): number {
  return lost.filter(({ start }) => !suspects.includes(start)).length;
}

function holdingsOf<L extends LedgerView>(ledgers: readonly L[], now: number): Holding<L>[] {
  const holdings = new Map<string, Holding<L>>();
  for (const ledger of ledgers) {
    for (const claim of ledger.claims) {
      const { worker: victim, id, next: from, asked } = claim;
      const holding = holdings.get(victim) ?? { worker: victim, tails: [], begunMs: 0, asked: false };
      holdings.set(victim, holding);
      const { unstarted, begunMs } = workOf(ledger, claim, now);
      if (unstarted > 0) holding.tails.push({ kind: "steal", ledger, victim, claim: id, from });
      holding.begunMs += begunMs;
      holding.asked ||= asked;
    }
  }
  return [...holdings.values()];
}
