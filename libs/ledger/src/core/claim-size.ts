/** What decides how large a claim is. */
export interface SizeInputs {
  /** Indexes that are free in the ledger. */
  readonly free: number;
  /** Length of the free interval that the claim is cut from. */
  readonly room: number;
  /** Workers of the pool that are connected. */
  readonly workers: number;
  /** Commands that the worker runs at a time. */
  readonly slots: number;
  /** Observed milliseconds of the worker's time per index; null: nothing is known yet. */
  readonly msPerIndex: number | null;
  /** Milliseconds of work after which a worker cuts a run. */
  readonly cutIntervalMs: number;
}

/**
 * A claim is worth at least this much work, in milliseconds, where there is enough of it. What a lost worker held waits until another
 * has come to the end of a claim: so it is no more than what is lost anyway, which is one cut.
 */
const CLAIM_WORTH_MS = 1_000;
/** Indexes of a claim when nothing is known of their cost: a probe, so that a few slow ones cannot hide in it. */
const PROBE = 16;

/**
 * Indexes in the next claim: worth max(1 s, cut interval) of work, at most free / (2 x workers), at least one
 * for each slot. So it shrinks towards the tail, and the last claims end together.
 */
export function claimSize({ free, room, workers, slots, msPerIndex, cutIntervalMs }: SizeInputs): number {
  const worth =
    msPerIndex === null
      ? Math.max(PROBE, slots)
      : Math.ceil(Math.max(CLAIM_WORTH_MS, cutIntervalMs) / Math.max(msPerIndex, 1e-6));
  const share = Math.floor(free / (2 * Math.max(workers, 1)));
  // The worker holds two claims at a time: were they shorter than its slots, some of these would have nothing to run.
  return Math.min(Math.max(Math.min(worth, share), slots), room);
}

/** Weight of the newest observation in the observed time per index. */
const NEWEST = 0.3;

/** The observed time per index after one more commit of `count` indexes that took `ms` of a worker's time. */
export function observe(known: number | null, ms: number, count: number): number {
  const now = ms / Math.max(count, 1);
  return known === null ? now : known + NEWEST * (now - known);
}
