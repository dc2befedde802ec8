/**
 * Time, passed in. Nothing in Sheaf reads the time or sets a timer except through a Clock, so that
 * tests and simulations run in virtual time.
 *
 * Time is never authority (L3): it may only make us stop sooner.
 */

/** A timer that has been set. Cancelling it after it has fired, or twice, is harmless. */
export interface Timer extends Disposable {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since an arbitrary start, never going back. It may stand still in a suspend. */
  now(): number;
  /** Milliseconds since 1970 (UTC). It may jump: for showing and for sorting, never for waiting. */
  wall(): number;
  /**
   * Resolves after `ms` milliseconds. When `signal` is aborted, before or while it waits, it REJECTS
   * at once with `signal.reason` (an AbortError unless the aborter gave another) and leaves no timer.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `fn` once after `ms` milliseconds, unless cancelled before. `fn` must not throw. */
  timer(ms: number, fn: () => void): Timer;
}

/** Longest time one Node timer can wait; longer ones fire at once (Node's own behaviour). */
const NODE_TIMER_MAX_MS = 2 ** 31 - 1;

/**
 * The machine's clock. Its timers keep the process alive until they fire or are cancelled. Node drops fractions
 * of a millisecond; they are rounded up, so that a timer does not fire before its time.
 */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
  timer(ms, fn) {
    const handle = setTimeout(fn, Math.min(Math.ceil(Math.max(ms, 0)), NODE_TIMER_MAX_MS));
    return cancellable(() => clearTimeout(handle));
  },
};

/** `sleep` made of `timer`: the same for every clock. */
export function sleepOn(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.timer(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

export function cancellable(cancel: () => void): Timer {
  return { cancel, [Symbol.dispose]: cancel };
}
