import { claimSize } from "./claim-size.ts";
import type { Interval } from "./interval-set.ts";
import { type LedgerView, oldestFirst, type WorkerView } from "./view.ts";

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
 *
 * What was lost with a worker goes first: it was begun before, and has waited since.
 *
 * L9. A datum that two workers died with has nothing beside it: what the third one dies with is its own doing, and that of nobody who has
 * just ended, or waits behind it. While all are busy it waits, if need be for the end of the job.
 */
export function nextAssignment<L extends LedgerView>(
  ledgers: readonly L[],
  workers: readonly WorkerView[],
  cutIntervalMs: number,
): Assignment<L> | null {
  const worker = workers
    .filter(({ wants, isAlone }) => wants > 0 && !isAlone)
    .reduce<WorkerView | null>((best, one) => (best === null || one.holds < best.holds ? one : best), null);
  if (worker === null) return null;
  // Where there is no room for it, there is none for those who hold more.
  for (const ledger of oldestFirst(ledgers)) {
    const room = roomFor(worker, ledger);
    if (room === undefined) continue;
    const { start } = room;
    const size = claimSize({
      free: ledger.freeCount,
      room: room.end - start,
      workers: workers.length,
      slots: worker.slots,
      msPerIndex: ledger.msPerIndex(worker.id),
      cutIntervalMs,
    });
    return { kind: "assign", ledger, worker: worker.id, start, end: start + ledger.most(start, size) };
  }
  return null;
}

/** The first free interval of which the worker may have any part as its claim. */
function roomFor({ holds }: WorkerView, { free, lost, suspects }: LedgerView): Interval | undefined {
  if (suspects.length === 0) return lost[0] ?? free[0];
  for (const { start, end } of [...lost, ...free]) {
    let from = start;
    for (const suspect of suspects) {
      if (suspect >= end) break;
      if (suspect < from) continue;
      if (suspect > from) return { start: from, end: suspect };
      if (holds === 0) return { start: from, end: from + 1 };
      from++;
    }
    if (from < end) return { start: from, end };
  }
  return undefined;
}

/** Etcd shall see at most this many commits a second of a job. */
const COMMITS_PER_SECOND = 50;
const CUT_INTERVAL_MIN_MS = 1_000;

/** Milliseconds of work after which a worker cuts a run: 1 s for a handful of workers, longer for many. */
export function cutInterval(workers: number): number {
  return Math.max(CUT_INTERVAL_MIN_MS, Math.ceil((workers * 1_000) / COMMITS_PER_SECOND));
}
