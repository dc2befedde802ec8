import type { ClaimView, LedgerView } from "./view.ts";

/** What the tests of the hand-out share: a ledger with nothing in it, and a claim of 100 indexes that runs its first. */
export const aLedger = (over: Partial<LedgerView> = {}): LedgerView => ({
  order: "a",
  n: 1_000,
  doneCount: 0,
  free: [],
  freeCount: 0,
  handsOut: true,
  speculation: true,
  medianMs: null,
  msPerIndex: () => null,
  most: (_start, size) => size,
  claims: [],
  ...over,
});

export const aClaim = (over: Partial<ClaimView> = {}): ClaimView => ({
  id: "c1",
  worker: "busy",
  start: 0,
  end: 100,
  next: 1,
  running: [{ index: 0, sinceMs: 0 }],
  saidAt: 0,
  assignedAt: 0,
  asked: false,
  ...over,
});
