// The thin loop of "decide, then act": it runs one step at a time, again whenever somebody wakes it, and never because time
// has passed unless the step asked for that.
//
// W1. A wake during a step leads to another step: nothing that happens is missed, many wakes are one step.
// W2. A step that throws is tried again with backoff: a bad pipeline, or an etcd that is away, ends no loop.
// W3. After `stop` has resolved no step runs, and no timer is left.

import { backoff, type Clock, type Logger, messageOf, type Random, type Timer } from "@sheaf/runtime";

export interface WakeLoopOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** One step. Answers after how many milliseconds it wants to run again without a wake; undefined: not at all. */
  readonly step: (signal: AbortSignal) => Promise<number | undefined>;
}

export class WakeLoop {
  readonly #options: WakeLoopOptions;
  readonly #waits;
  readonly #ending = new AbortController();
  #woken = false;
  #running: Promise<void> | undefined;
  #timer: Timer | undefined;

  constructor(options: WakeLoopOptions) {
    this.#options = options;
    this.#waits = backoff({ baseMs: 50, capMs: 5_000, random: options.random });
  }

  wake(): void {
    if (this.#ending.signal.aborted) return;
    this.#woken = true;
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    this.#timer?.cancel();
    await this.#running;
    this.#timer?.cancel();
  }

  async #run(): Promise<void> {
    // Not within the caller: it may be in the middle of a change of its own.
    await Promise.resolve();
    while (this.#woken && !this.#ending.signal.aborted) {
      this.#woken = false;
      this.#timer?.cancel();
      const again = await this.#step();
      if (again !== undefined) this.#timer = this.#options.clock.timer(again, () => this.wake());
    }
    this.#running = undefined;
  }

  async #step(): Promise<number | undefined> {
    const { name, log, step } = this.#options;
    try {
      const again = await step(this.#ending.signal);
      this.#waits.reset();
      return again;
    } catch (error) {
      if (this.#ending.signal.aborted) return undefined;
      const waitMs = Math.round(this.#waits.next());
      log.warn({ err: error, loop: name, waitMs }, `${name}: ${messageOf(error)}; trying again`); // W2
      return waitMs;
    }
  }
}
