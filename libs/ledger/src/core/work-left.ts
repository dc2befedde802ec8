import type { ClaimView, LedgerView } from "./view.ts";

/** What its worker has before it of a claim. An estimate, from beats up to a second old. */
export interface WorkLeft {
  readonly msPerIndex: number;
  /** Indexes. */
  readonly unstarted: number;
  /** Milliseconds until what it has begun is done. */
  readonly begunMs: number;
}

export function workOf(ledger: LedgerView, claim: ClaimView, now: number): WorkLeft {
  const started = claim.next - claim.start;
  // Before anything was committed, the claim itself tells: so long for so many.
  const known = ledger.msPerIndex(claim.worker);
  const msPerIndex = known ?? (now - claim.assignedAt) / Math.max(1, started);
  const unstarted = claim.end - claim.next;
  if (claim.running.length === 0) return { msPerIndex, unstarted, begunMs: 0 };
  const longest = Math.max(...claim.running.map(({ sinceMs }) => now - sinceMs));
  // What has taken long takes as long again: nobody knows better. Nor where nothing has ended yet.
  const isFirst = known === null && started <= claim.running.length;
  if (isFirst || longest > msPerIndex) return { msPerIndex, unstarted, begunMs: longest };
  // It has gone on since it last said where it is.
  const since = Math.floor((now - claim.saidAt) / Math.max(msPerIndex, 1e-6));
  return { msPerIndex, unstarted: Math.max(0, unstarted - since), begunMs: msPerIndex - longest };
}
