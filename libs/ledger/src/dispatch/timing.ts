/** The times of a session. They only say when to stop waiting; no decision about data reads them (L3). */
export interface Timing {
  /** Between beats, both ways. */
  readonly beatMs: number;
  /** A broken stream: its claims are freed after this, unless the worker is back. */
  readonly brokenGraceMs: number;
  /** A silent stream: its claims are freed after this, when beats are not rarer than `beatMs`. */
  readonly silentMs: number;
  /** How much longer all are waited for, when too many break or fall silent together. */
  readonly massMs: number;
  /**
   * A worker that is asked for a tail answers within this, or is shrunk by force. It is far more than an answer takes: one that is only
   * slow (a processor that others use, a quota that is used up) may have begun meanwhile what is taken from it, and that then runs twice.
   */
  readonly releaseMs: number;
  /** A worker that is absent for so long is lost (L9). */
  readonly lossMs: number;
  /** Claims that nobody shows within this time of a takeover are freed. */
  readonly orphanMs: number;
  /** TTL of a session's lease, in seconds. */
  readonly sessionTtlSeconds: number;
  /** TTL of an owner's lease, in seconds. */
  readonly ownerTtlSeconds: number;
}

export const DEFAULT_TIMING: Timing = {
  beatMs: 1_000,
  brokenGraceMs: 1_000,
  silentMs: 5_000,
  massMs: 6_000,
  releaseMs: 1_000,
  lossMs: 60_000,
  orphanMs: 10_000,
  sessionTtlSeconds: 15,
  ownerTtlSeconds: 5,
};

/** Above this many workers the beats are rarer. */
const MANY_WORKERS = 300;

/** Milliseconds between beats for a pool of this size. */
export function beatInterval(timing: Timing, workers: number): number {
  return workers > MANY_WORKERS ? 3 * timing.beatMs : timing.beatMs;
}

/** Beats that a stream may miss before it is silent, whatever `silentMs` says: a pool with rare beats is waited for longer. */
const BEATS_MISSED_MAX = 3;

/** Milliseconds without a word after which a stream of a pool of this size is silent. */
export function silence(timing: Timing, workers: number): number {
  return Math.max(timing.silentMs, BEATS_MISSED_MAX * beatInterval(timing, workers));
}

/** A tick that comes later than this found the owner's own loop blocked: silence in that time is the owner's. */
const LATE_MS = 250;

/** How much of the time since the last tick the owner itself was away, in milliseconds. */
export function ownDelay(sinceLastTickMs: number, intervalMs: number): number {
  const late = sinceLastTickMs - intervalMs;
  return late > LATE_MS ? late : 0;
}
