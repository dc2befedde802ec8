import { claimSize } from "./claim-size.ts";
import type { LedgerView, WorkerView } from "./view.ts";

/** What to hand out next. */
export interface Assignment<L extends LedgerView> {
  readonly kind: "assign";
  readonly ledger: L;
  readonly worker: string;
  readonly start: number;
  readonly end: number;
}

/**
 * The next claim to hand out, or null. The oldest job first; a younger one gets the workers that the older cannot use. Among
 * workers the one with the fewest claims goes first, so that all begin before any has a second claim in waiting.
 */
export function nextAssignment<L extends LedgerView>(
  ledgers: readonly L[],
  workers: readonly WorkerView[],
  cutIntervalMs: number,
): Assignment<L> | null {
  const worker = workers
    .filter((candidate) => candidate.wants > 0)
    .reduce<WorkerView | null>((best, one) => (best === null || one.holds < best.holds ? one : best), null);
  if (worker === null) return null;
  const ledger = ledgers
    .filter((candidate) => candidate.handsOut && candidate.free.length > 0)
    .reduce<L | null>((best, one) => (best === null || one.order < best.order ? one : best), null);
  const room = ledger?.free[0];
  if (ledger === null || room === undefined) return null;
  const size = claimSize({
    free: ledger.freeCount,
    room: room.end - room.start,
    workers: workers.length,
    slots: worker.slots,
    msPerIndex: ledger.msPerIndex(worker.id),
    cutIntervalMs,
  });
  const end = room.start + ledger.most(room.start, size);
  return { kind: "assign", ledger, worker: worker.id, start: room.start, end };
}

/** Etcd shall see at most this many commits a second of a job. */
const COMMITS_PER_SECOND = 50;
const CUT_INTERVAL_MIN_MS = 1_000;

/** Milliseconds of work after which a worker cuts a run: 1 s for a handful of workers, longer for many. */
export function cutInterval(workers: number): number {
  return Math.max(CUT_INTERVAL_MIN_MS, Math.ceil((workers * 1_000) / COMMITS_PER_SECOND));
}
