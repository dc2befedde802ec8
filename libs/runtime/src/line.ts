/**
 * A line of callers that wait to do something, first come, first served: the base of the queue and the
 * semaphore. The one at the head is tried whenever the state changed; what it does, it does in that same
 * instant, so nothing can come between its condition and its act. Nobody overtakes it.
 */

/** Does the thing and returns its result, or changes nothing and returns undefined: not yet. May throw. */
export type Attempt<T> = () => { readonly value: T } | undefined;

interface Waiter {
  /** Whether it is through (or failed). */
  readonly attempt: () => boolean;
}

export class Line {
  readonly #waiters: Waiter[] = [];

  /** Callers that wait. */
  get length(): number {
    return this.#waiters.length;
  }

  /** Does it now when nobody waits and it can be done; else waits in line. Rejects with the signal's reason. */
  async enter<T>(attempt: Attempt<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const now = this.length === 0 ? attempt() : undefined;
    if (now !== undefined) return now.value;
    return new Promise<T>((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(signal?.reason);
        // The one behind may need less than the one that left.
        this.advance();
      };
      const waiter: Waiter = {
        attempt: () => {
          const through = settle(attempt, resolve, reject);
          if (through) signal?.removeEventListener("abort", onAbort);
          return through;
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  /** To be called after every change of the state: lets through whom it can, from the head. Says whether it did. */
  advance(): boolean {
    let moved = false;
    while (this.#waiters[0]?.attempt()) {
      this.#waiters.shift();
      moved = true;
    }
    return moved;
  }
}

function settle<T>(attempt: Attempt<T>, resolve: (value: T) => void, reject: (error: unknown) => void): boolean {
  try {
    const done = attempt();
    if (done === undefined) return false;
    resolve(done.value);
  } catch (error) {
    reject(error);
  }
  return true;
}
