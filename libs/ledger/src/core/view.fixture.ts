import type { ClaimView, LedgerView, WorkerView } from "./view.ts";

/** What the tests of the hand-out share: a ledger with nothing in it, a claim of 100 indexes that runs its first, a worker that wants one. */
export const aLedger = (over: Partial<LedgerView> = {}): LedgerView => ({
  order: "a",
  n: 1_000,
  doneCount: 0,
  free: [],
  freeCount: 0,
  lost: [],
  handsOut: true,
  speculation: true,
  medianMs: null,
  msPerIndex: () => null,
  most: (_start, size) => size,
  suspects: [],
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

export const aWorker = (over: Partial<WorkerView> = {}): WorkerView => ({
  id: "w",
  slots: 1,
  wants: 1,
  holds: 0,
  isAlone: false,
  ...over,
});
