import type { Clock } from "@sheaf/runtime";

/** Remembers that something happened until somebody asks. */
export class Change {
  #happened = false;
  #wake: (() => void) | undefined;

  readonly happened = (): void => {
    this.#happened = true;
    this.#wake?.();
  };

  /** Resolves when something has happened since the last time, or after `limit`. */
  async next(limit?: { readonly clock: Clock; readonly ms: number }): Promise<void> {
    if (!this.#happened) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      using _timer = limit === undefined ? undefined : limit.clock.timer(limit.ms, resolve);
      await promise;
    }
    this.#wake = undefined;
    this.#happened = false;
  }
}
