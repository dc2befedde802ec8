// Looks once a second how far commands say that they are: only those that have run for a while, so that a short datum costs nothing
// (L10), and at most one a slot.

import type { Clock, Timer } from "@sheaf/runtime";
import { progressFile } from "../datum/environment.ts";
import { readNote } from "../datum/progress-note.ts";
import type { Item } from "./item.ts";

const LOOK_MS = 1_000;

export class ProgressNotes {
  readonly #clock: Clock;
  readonly #running: Iterable<Item>;
  #timer: Timer | undefined;

  /** `running`: the items that run, at any time. */
  constructor(clock: Clock, running: Iterable<Item>) {
    this.#clock = clock;
    this.#running = running;
  }

  start(): void {
    this.#timer = this.#clock.timer(LOOK_MS, () => {
      this.#look();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    const now = this.#clock.now();
    for (const { claim, index, folder, cost } of this.#running) {
      if (folder === undefined || now - cost.startedAt < LOOK_MS) continue;
      claim.progressed(index, readNote(progressFile(folder.path)));
    }
  }
}
