import type { ClaimView, LedgerView, WorkerView } from "./view.ts";

/** A backup of a straggler (L7). */
export interface Race<L extends LedgerView> {
  readonly kind: "race";
  readonly ledger: L;
  readonly claim: string;
  readonly index: number;
  /** Who runs the backup: not the claim's own worker. */
  readonly worker: string;
}

/** Stragglers are looked for when so much of a ledger is done. */
const DONE_SHARE = 0.9;
/** A straggler has been in work for so many times the median, and for longer than this. */
const MEDIANS = 3;
const SLOW_MS = 1_000;

/**
 * The straggler that an idle worker shall run as well, or null: the one that has been in work for longest. To be asked when nothing
 * is free or can be stolen. A claim has one backup at a time,
 * and an index has one in its life.
 */
export function nextRace<L extends LedgerView>(
  ledgers: readonly L[],
  idle: readonly WorkerView[],
  now: number,
  isRaced: (claim: string, index: number) => boolean,
): Race<L> | null {
  if (idle.length === 0) return null;
  let best: (Race<L> & { readonly ms: number }) | null = null;
  for (const ledger of ledgers) {
    for (const { claim, index, ms } of stragglers(ledger, now)) {
      const worker = idle.find(({ id }) => id !== claim.worker)?.id;
      if (worker === undefined || isRaced(claim.id, index) || (best !== null && best.ms >= ms)) continue;
      best = { kind: "race", ledger, claim: claim.id, index, worker, ms };
    }
  }
  return best;
}

/** Claims with a straggler that would be raced, were there somebody idle. */
export function stragglersToRace(
  ledgers: readonly LedgerView[],
  now: number,
  isRaced: (claim: string, index: number) => boolean,
): number {
  const found = ledgers.flatMap((ledger) => stragglers(ledger, now));
  return new Set(found.filter(({ claim, index }) => !isRaced(claim.id, index)).map(({ claim }) => claim.id)).size;
}

function stragglers(ledger: LedgerView, now: number): { claim: ClaimView; index: number; ms: number }[] {
  const { speculation, handsOut, medianMs, doneCount, n } = ledger;
  if (!speculation || !handsOut || medianMs === null || doneCount < DONE_SHARE * n) return [];
  const slowMs = Math.max(SLOW_MS, MEDIANS * medianMs);
  return ledger.claims.flatMap((claim) =>
    claim.running.map(({ index, sinceMs }) => ({ claim, index, ms: now - sinceMs })).filter(({ ms }) => ms > slowMs),
  );
}
