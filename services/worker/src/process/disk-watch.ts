/**
 * Looks at what running commands have written, for jobs with a limit on that: a command that would fill the disk is ended before it has,
 * and not looked at in vain for an hour. Only those that have run for a while are looked at, so that a short datum costs nothing (L10).
 *
 * A look takes as long as there are files. So they are looked at one after another, and after each round it rests ten times as long
 * as that took. Between two looks a command may get beyond the limit; what counts in the end is the output (collector.ts).
 */
import type { Clock, Timer } from "@sheaf/runtime";
import { usedBytes } from "../scratch/usage.ts";
import type { Item } from "./item.ts";

const LOOK_MS = 1_000;
const REST = 10;

export class DiskWatch {
  readonly #clock: Clock;
  readonly #running: ReadonlySet<Item>;
  readonly #onAbove: (item: Item, limit: number) => void;
  #timer: Timer | undefined;
  #isStopped = false;

  /** `running`: the items that run, at any time. */
  constructor(clock: Clock, running: ReadonlySet<Item>, onAbove: (item: Item, limit: number) => void) {
    this.#clock = clock;
    this.#running = running;
    this.#onAbove = onAbove;
  }

  start(): void {
    this.#wait(LOOK_MS);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #wait(ms: number): void {
    if (!this.#isStopped) this.#timer = this.#clock.timer(ms, () => void this.#look());
  }

  async #look(): Promise<void> {
    const began = this.#clock.now();
    for (const item of [...this.#running]) {
      const { folder, job, cost, run } = item;
      const limit = job.diskBytes;
      if (limit === undefined || folder === undefined || began - cost.startedAt < LOOK_MS) continue;
      // All but the inputs.
      const isAbove = (await usedBytes([folder.path, folder.out], limit, folder.pfs)) > limit;
      // It may have ended meanwhile, and even begun again.
      if (isAbove && run !== undefined && item.run === run) this.#onAbove(item, limit);
    }
    this.#wait(Math.max(LOOK_MS, REST * (this.#clock.now() - began)));
  }
}
