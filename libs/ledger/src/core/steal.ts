/**
 * What an idle worker gets when nothing is free: the unstarted tail of the one that will finish last (L6). Only whose tail, and
 * from where: that worker gives it back, and what it gave back is handed out like anything that is free.
 *
 * All times are estimates, from beats up to a second old. A wrong one costs a claim more or less, never a result: the worker that is
 * asked says itself what it has not started.
 */
import { type ClaimView, type LedgerView, oldestFirst, type WorkerView } from "./view.ts";
import { workOf } from "./work-left.ts";

export interface Steal<L extends LedgerView> {
  readonly kind: "steal";
  readonly ledger: L;
  readonly victim: string;
  readonly claim: string;
  /** The victim shall keep [.., from). */
  readonly from: number;
}

/** Less unstarted work than this is not worth a message, a claim and a commit of its own. */
const WORTH_MS = 50;

/** What a worker has before it. */
interface Load<L extends LedgerView> {
  /** The claim whose tail would go: the last that the worker comes to. Null: it has started all. */
  last: {
    readonly ledger: L;
    readonly claim: ClaimView;
    readonly unstarted: number;
    readonly msPerIndex: number;
  } | null;
  /** Milliseconds until it has done all that it holds. */
  leftMs: number;
  /** It was asked, and has not said since where it is. */
  asked: boolean;
}

export function nextSteal<L extends LedgerView>(
  ledgers: readonly L[],
  idle: readonly WorkerView[],
  now: number,
): Steal<L> | null {
  const [thief] = idle;
  if (thief === undefined) return null;
  const victim = loadsOfOthers(ledgers, thief.id, now)
    .filter(({ last, asked }) => last !== null && !asked)
    .reduce<Load<L> | null>((best, one) => (best === null || one.leftMs > best.leftMs ? one : best), null);
  if (!victim?.last) return null;
  const { ledger, claim, unstarted, msPerIndex } = victim.last;
  const taken = Math.min(unstarted, worth(victim.leftMs, msPerIndex, ledger.msPerIndex(thief.id) ?? msPerIndex));
  return taken < 1 ? null : { kind: "steal", ledger, victim: claim.worker, claim: claim.id, from: claim.end - taken };
}

/** How many indexes the thief takes, so that both end together. One that ends sooner with the thief is worth taking as well. */
function worth(leftMs: number, victimMs: number, thiefMs: number): number {
  if (leftMs < WORTH_MS || leftMs <= thiefMs) return 0;
  return Math.max(1, Math.floor(leftMs / (thiefMs + victimMs)));
}

function loadsOfOthers<L extends LedgerView>(ledgers: readonly L[], thief: string, now: number): Load<L>[] {
  const loads = new Map<string, Load<L>>();
  for (const ledger of oldestFirst(ledgers)) {
    for (const claim of ledger.claims) {
      if (claim.worker === thief) continue;
      const load = loads.get(claim.worker) ?? { last: null, leftMs: 0, asked: false };
      loads.set(claim.worker, load);
      const { msPerIndex, unstarted, begunMs } = workOf(ledger, claim, now);
      if (unstarted > 0) load.last = { ledger, claim, unstarted, msPerIndex };
      load.leftMs += begunMs + unstarted * msPerIndex;
      load.asked ||= claim.asked;
    }
  }
  return [...loads.values()];
}
