/**
 * What keeps etcd from serving us, for people who ask what a job waits for. Nothing is decided by it.
 *
 * H1. Any answer ends the silence; a call that brought none begins it, or goes on with it. A failover is no trouble: only a silence
 *     that has lasted SILENT_MS is told.
 * H2. No space is another thing: reads and renewals are answered then, so only a write that was taken ends it.
 */
import { type Clock, messageOf } from "@sheaf/runtime";
import { isOutOfSpace, MAKE_SPACE, plain } from "./faults.ts";

const SILENT_MS = 1_000;

export class Trouble {
  readonly #clock: Clock;
  #silentSince: number | undefined;
  #cause = "";
  #noSpace = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  answered(): void {
    this.#silentSince = undefined;
  }

  /** A write was applied: there is space. */
  written(): void {
    this.#noSpace = false;
    this.answered();
  }

  /** A call brought no answer that says what became of it. */
  failed(cause: unknown): void {
    if (isOutOfSpace(cause)) {
      this.#noSpace = true;
      return this.answered();
    }
    this.#silentSince ??= this.#clock.now();
    this.#cause = messageOf(cause);
  }

  /** One line, or undefined: none is known. */
  describe(): string | undefined {
    const silentMs = this.#silentSince === undefined ? 0 : this.#clock.now() - this.#silentSince;
    if (silentMs >= SILENT_MS) {
      return `etcd does not answer: ${plain(this.#cause)} (for ${Math.round(silentMs / 1_000)} s)`;
    }
    return this.#noSpace ? `etcd has no space left: ${MAKE_SPACE}` : undefined;
  }
}
