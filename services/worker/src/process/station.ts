/**
 * A place where one datum runs at a time, whichever way its job wants it: by a command that is started for it, by one that
 * takes datum after datum, or by a function. It asks the floor for the next whenever it is free.
 */
import { Batch, type BatchOptions } from "../batching/batch.ts";
import { HandlerSeat, type HandlerSeatOptions } from "../handler/handler-seat.ts";
import { type Run, Slot, type SlotOptions } from "../launcher/slot.ts";
import type { GivenFolders } from "../scratch/given-folders.ts";
import type { Waiting } from "./datum-run.ts";

export interface StationOptions extends Omit<SlotOptions, "next">, Pick<HandlerSeatOptions, "log" | "env"> {
  readonly waiting: Waiting;
  readonly given: GivenFolders;
  /** Folders of long-lived commands are made in here. */
  readonly batches: string;
  readonly onStray: BatchOptions["onStray"];
}

export class Station {
  readonly #waiting: Waiting;
  readonly #slot: Slot;
  readonly #batch: Batch;
  readonly #handler: HandlerSeat;

  constructor(options: StationOptions) {
    const { waiting, batches: folder } = options;
    this.#waiting = waiting;
    this.#slot = new Slot({ ...options, next: () => this.#next() });
    this.#batch = new Batch({
      ...options,
      folder,
      kill: (run) => this.#slot.kill(run),
      point: (run, folder) => this.#slot.point(run, folder),
      onFree: () => this.poke(),
    });
    this.#handler = new HandlerSeat({ ...options, onFree: () => this.poke() });
  }

  /** Starts its first launcher. Says how well it contains commands. */
  start(): Promise<string> {
    return this.#slot.start();
  }

  /** There may be work now. */
  poke(): void {
    if (this.#batch.isOn) this.#batch.poke();
    else this.#slot.poke();
  }

  /** Ends the try, if it is under way here. */
  kill(run: Run): void {
    this.#slot.kill(run);
    this.#batch.kill(run);
    this.#handler.kill(run);
  }

  /** Ends everything at once. Nobody is told. */
  close(): void {
    this.#slot.close();
    this.#batch.close();
    this.#handler.close();
  }

  /** For the slot, which is free. */
  #next(): Run | undefined {
    const { upcoming } = this.#waiting;
    if (upcoming === undefined || this.#batch.isOn || this.#handler.isBusy) return undefined;
    const { job, mode } = upcoming;
    switch (mode.t) {
      case "command":
        return this.#waiting.next(upcoming);
      case "batch":
        return this.#batch.start(job);
      case "handler":
        this.#handler.begin(job, mode.module);
        return undefined;
    }
  }
}
