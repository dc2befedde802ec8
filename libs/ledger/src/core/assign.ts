import { claimSize } from "./claim-size.ts";
import type { Interval } from "./interval-set.ts";

/** A ledger that may have work, as the hand-out sees it. */
export interface OpenLedger {
  /** Sorts: the oldest job first. */
  readonly order: string;
  readonly free: readonly Interval[];
  readonly freeCount: number;
  readonly msPerIndex: number | null;
  /** False when its failures say that more work is in vain (L10), or when it is being closed. */
  readonly handsOut: boolean;
}

/** A worker that would take a claim. */
export interface FreeWorker {
  readonly id: string;
  /** Claims that it would take now. */
  readonly wants: number;
  /** Claims that it holds here. */
  readonly holds: number;
}

/** What to hand out next. */
export interface Assignment<L extends OpenLedger> {
  readonly ledger: L;
  readonly worker: string;
  readonly start: number;
  readonly end: number;
}

/**
 * The next claim to hand out, or null. The oldest job first; a younger one gets the workers that the older cannot use. Among
 * workers the one with the fewest claims goes first, so that all begin before any has a second claim in waiting.
 */
export function nextAssignment<L extends OpenLedger>(
  ledgers: readonly L[],
  workers: readonly FreeWorker[],
  poolSize: number,
  cutIntervalMs: number,
): Assignment<L> | null {
  const worker = workers
    .filter((candidate) => candidate.wants > 0)
    .reduce<FreeWorker | null>((best, one) => (best === null || one.holds < best.holds ? one : best), null);
  if (worker === null) return null;
  const ledger = ledgers
    .filter((candidate) => candidate.handsOut && candidate.free.length > 0)
    .reduce<L | null>((best, one) => (best === null || one.order < best.order ? one : best), null);
  const room = ledger?.free[0];
  if (ledger === null || room === undefined) return null;
  const size = claimSize({
    free: ledger.freeCount,
    room: room.end - room.start,
    workers: poolSize,
    msPerIndex: ledger.msPerIndex,
    cutIntervalMs,
  });
  return { ledger, worker: worker.id, start: room.start, end: room.start + size };
}

/** Etcd shall see at most this many commits a second of a job. */
const COMMITS_PER_SECOND = 50;
const CUT_INTERVAL_MIN_MS = 1_000;

/** Milliseconds of work after which a worker cuts a run: 1 s for a handful of workers, longer for many. */
export function cutInterval(workers: number): number {
  return Math.max(CUT_INTERVAL_MIN_MS, Math.ceil((workers * 1_000) / COMMITS_PER_SECOND));
}
