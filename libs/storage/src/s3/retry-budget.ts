/**
 * How many retries a store may make, over all its calls: a retry takes one, five requests that succeed give one back. One
 * request in a hundred that fails is retried always; when a server is in trouble the load on it grows by little, and
 * whoever calls is told soon.
 */
const RETRIES_MAX = 100;
const BACK_PER_SUCCESS = 0.2;

export class RetryBudget {
  #left = RETRIES_MAX;

  /** Whether one more retry may be made. */
  take(): boolean {
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }

  succeeded(): void {
    this.#left = Math.min(RETRIES_MAX, this.#left + BACK_PER_SUCCESS);
  }
}
