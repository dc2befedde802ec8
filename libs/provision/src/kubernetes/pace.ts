/**
 * The pace of writes to the API server, for all pools together: at most AT_ONCE at a time, and PER_SECOND on average, BURST of
 * them without a wait. So a thousand workers are asked for in 20 s, and the API server of everybody is left in peace. When it says
 * that it has too much to do (429), all of them wait as long as it says.
 */
import { type Clock, Semaphore } from "@sheaf/runtime";

const AT_ONCE = 16;
const PER_SECOND = 50;
const BURST = 50;

export class Pace {
  readonly #clock: Clock;
  readonly #permits = new Semaphore(AT_ONCE);
  /** When the next one would be due if they came evenly. */
  #dueMs = Number.NEGATIVE_INFINITY;
  #pausedUntilMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Rejects with the signal's reason. */
  async run<T>(fn: () => Promise<T>, signal: AbortSignal): Promise<T> {
    using _permit = await this.#permits.acquire(1, signal);
    const intervalMs = 1_000 / PER_SECOND;
    const now = this.#clock.now();
    this.#dueMs = Math.max(this.#dueMs, now - BURST * intervalMs) + intervalMs;
    const waitMs = Math.max(this.#dueMs, this.#pausedUntilMs) - now;
    if (waitMs > 0) await this.#clock.sleep(waitMs, signal);
    return await fn();
  }

  pauseFor(ms: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#clock.now() + ms);
  }
}
