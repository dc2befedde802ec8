/**
 * The start, drain and stop contract that every long-lived part of Sheaf keeps:
 *
 * - `start` resolves when the part works. A second start is the first one. A start that fails leaves
 *   nothing behind: no timer, socket, process or lease.
 * - `drain` takes no new work and finishes or hands over what is under way, until its deadline.
 * - `stop` ends at once what is left and resolves when nothing is left. It waits for a start under way, may
 *   be called twice, also at the same time, and before any start. After it, start is refused.
 */
import { cancelled, failedPrecondition, internal, messageOf } from "./errors.ts";

export interface Component {
  start(): Promise<void>;
  /** `deadline` is a reading of the monotonic clock (`clock.now()`), in milliseconds. */
  drain?(deadline: number): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Parts as one: started in the order given, drained and stopped in reverse, so that a part may use those
 * before it for as long as it lives.
 */
export class Lifecycle implements Component {
  readonly #parts: readonly Component[];
  /** The parts whose start was called and did not fail; the last is stopped first. */
  readonly #running: Component[] = [];
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(parts: readonly Component[]) {
    this.#parts = parts;
  }

  start(): Promise<void> {
    if (this.#starting === undefined && this.#stopping !== undefined) {
      return Promise.reject(failedPrecondition("STOPPED", "cannot start: it was stopped; make a new one"));
    }
    this.#starting ??= this.#startAll();
    return this.#starting;
  }

  /** Drains each part in turn. One that fails to drain does not keep the others from it; the first error is thrown. */
  async drain(deadline: number): Promise<void> {
    await reverse(this.#running, async (part) => part.drain?.(deadline));
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #startAll(): Promise<void> {
    try {
      for (const part of this.#parts) {
        if (this.#stopping !== undefined) throw cancelled("STOPPED", "stopped while it started");
        await part.start();
        this.#running.push(part);
      }
    } catch (error) {
      // What failed cleans up after itself; what ran before it is ours to stop. The start's error is the
      // one that counts: an error of the clean-up would hide it.
      await this.#stopRunning().catch(() => {});
      throw error;
    }
  }

  async #stopAll(): Promise<void> {
    await this.#starting?.catch(() => {});
    await this.#stopRunning();
  }

  async #stopRunning(): Promise<void> {
    const running = this.#running.splice(0);
    await reverse(running, (part) => part.stop());
  }
}

/** Calls `fn` for each, the last first, all of them whatever fails; then throws what failed. */
async function reverse(parts: readonly Component[], fn: (part: Component) => Promise<void>): Promise<void> {
  const errors: unknown[] = [];
  for (const part of parts.toReversed()) {
    try {
      await fn(part);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) {
    const text = errors.map(messageOf).join("; ");
    throw internal("PARTS_FAILED", `${errors.length} parts failed: ${text}`, {
      cause: new AggregateError(errors),
    });
  }
}
