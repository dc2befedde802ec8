/** How long nobody has answered. */
import type { Clock } from "@sheaf/runtime";
import { isUnreachable } from "./retries.ts";

/** A master is replaced in less. */
const UNREACHABLE_MS = 60_000;

/**
 * Begins when a connection breaks, and not with what came last: a caller may take minutes over a message, and a page that nobody looks at
 * is not run at all.
 */
export class Outage {
  readonly #clock: Clock;
  readonly #limitMs: number;
  #begunMs: number | undefined;

  constructor(clock: Clock, limitMs = UNREACHABLE_MS) {
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  /** Somebody has answered. */
  over(): void {
    this.#begunMs = undefined;
  }

  /** Whether to go on after this error: nobody was there, and not for too long. */
  isBearable(error: unknown): boolean {
    if (!isUnreachable(error)) return false;
    this.#begunMs ??= this.#clock.now();
    return this.#clock.now() - this.#begunMs < this.#limitMs;
  }
}
