/**
 * Waiting between attempts. Decorrelated jitter: each wait is random between the base and three times
 * the wait before, so that many clients that failed together do not come back together.
 */
import { type Clock, systemClock } from "./clock.ts";
import { SheafError } from "./errors.ts";
import { type Random, systemRandom } from "./random.ts";

export interface BackoffOptions {
  /** Shortest wait in milliseconds. Default 50. */
  readonly baseMs?: number;
  /** Longest wait in milliseconds. Default 5,000. */
  readonly capMs?: number;
  readonly random?: Random;
}

export interface Backoff {
  /** Milliseconds to wait before the next attempt. */
  next(): number;
  /** To be called when an attempt held. */
  reset(): void;
}

export function backoff(options: BackoffOptions = {}): Backoff {
  const { baseMs = 50, capMs = 5_000, random = systemRandom } = options;
  let last = baseMs;
  return {
    next() {
      last = Math.min(capMs, baseMs + random.float() * Math.max(0, last * 3 - baseMs));
      return last;
    },
    reset() {
      last = baseMs;
    },
  };
}

export interface RetryOptions extends BackoffOptions {
  /** Whether another attempt can help AND is harmless. Everything else is thrown at once. */
  readonly transient: (error: unknown) => boolean;
  /** No attempt begins, and no wait ends, later than this long after the call. Default: for ever. */
  readonly deadlineMs?: number;
  readonly maxAttempts?: number;
  /** Aborted: rejects with its reason, without waiting for the attempt under way. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  /** Called before each wait, for a log line. */
  readonly onRetry?: (error: unknown, attempt: number, waitMs: number) => void;
}

/**
 * Calls `fn` until it succeeds. Throws its last error when that is not transient, or when the deadline
 * or the number of attempts is reached. An error's own `retryDelayMs` is waited at least.
 */
export async function retry<T>(fn: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock = systemClock, signal, maxAttempts = Number.POSITIVE_INFINITY } = options;
  const waits = backoff(options);
  const end = clock.now() + (options.deadlineMs ?? Number.POSITIVE_INFINITY);
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await orAborted(fn(attempt), signal);
    } catch (error) {
      if (signal?.aborted || attempt >= maxAttempts || !options.transient(error)) throw error;
      const wait = Math.max(waits.next(), error instanceof SheafError ? (error.retryDelayMs ?? 0) : 0);
      if (clock.now() + wait > end) throw error;
      options.onRetry?.(error, attempt, wait);
      await clock.sleep(wait, signal);
    }
  }
}

/** The promise, or a rejection with the signal's reason when that comes first. */
export function orAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
