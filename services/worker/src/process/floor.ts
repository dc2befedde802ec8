/**
 * The shop floor of process work: three stages that work at the same time, with bounded queues between them, so that while
 * datum i runs, i+1.. are downloaded and ..i-1 are uploaded.
 *
 *     book -> [prefetch] -> ready -> [slots] -> ended -> [uploads] -> runs
 *                 ^                                          |
 *                 +-------------- tries that follow ---------+
 *
 * F1. Whether a datum is still wanted is asked of its claim at every door: claims shrink at any time.
 * F2. What a command did on its own account (exit code, timeout, bad output) is a failure and is counted, on from those on
 *     earlier workers; what happened to it (a kill, the death of its launcher) is not (L9).
 * F4. A race ends with the first failure: it counts for nobody.
 * F5. A datum whose tries are spent may have an err_cmd, which decides between FAILED and RECOVERED. It runs as a try does, in a
 *     folder as good as new. The failure that spent the last try is told to nobody before the datum has its outcome: should
 *     this worker die, the next one runs the command once more, and so knows what to tell err_cmd.
 */
import type { dispatch } from "@sheaf/proto";
import { backoff, type Random } from "@sheaf/runtime";
import type { Claim } from "../claims/claim.ts";
import { datumEnvironment } from "../datum/environment.ts";
import { type Failure, fitMessage, notSaved, quarantineOf } from "../datum/outcome.ts";
import type { Ended, Run, Slot } from "../launcher/slot.ts";
import type { DatumFolder } from "../scratch/datum-folders.ts";
import { type Item, isWanted, removeFolder } from "./item.ts";
import { LiveLogs } from "./live-logs.ts";
import { Prefetch, type PrefetchOptions } from "./prefetch.ts";
import { ProgressNotes } from "./progress-notes.ts";
import { Uploads, type UploadsOptions } from "./uploads.ts";

/** Launchers that may die under a datum before it is called its fault. */
const LOSSES_MAX = 3;
const STORE_WAIT_MS = 500;
const RETRY = { baseMs: 100, capMs: 5_000 };

export interface FloorOptions extends Omit<PrefetchOptions, "onReady" | "onDamaged" | "onQuarantined">, UploadsOptions {
  readonly random: Random;
  /** A try failed and others follow. */
  readonly onTryFailed: (claim: Claim, index: number, tries: number) => void;
  readonly onRaceFailed: (claim: Claim) => void;
  /** Somebody follows what the datums of this claim write. */
  readonly onLiveLog: (claim: Claim, live: dispatch.LiveLog) => void;
}

export class Floor {
  readonly #options: FloorOptions;
  readonly #prefetch: Prefetch;
  readonly uploads: Uploads;
  readonly #running = new Set<Item>();
  readonly #notes: ProgressNotes;
  readonly #live: LiveLogs;
  #slots: readonly Slot[] = [];

  constructor(options: FloorOptions) {
    this.#options = options;
    this.uploads = new Uploads(options);
    this.#notes = new ProgressNotes(options.clock, this.#running);
    this.#live = new LiveLogs(options.clock, this.#running, ({ claim }, live) => options.onLiveLog(claim, live));
    this.#prefetch = new Prefetch({
      ...options,
      onReady: () => this.#pokeSlots(),
      onDamaged: (item, failure) => void this.uploads.between(() => this.#onFailure(item, failure)),
      onQuarantined: (item) => void this.uploads.between(() => this.#fail(item, quarantineOf(item.losses))),
    });
  }

  /** Begins to work. The slots call `next` for commands. Resolves when it is closed. */
  run(slots: readonly Slot[]): Promise<void> {
    this.#slots = slots;
    this.#notes.start();
    return this.#prefetch.run();
  }

  close(): void {
    this.#notes.stop();
    this.#live.stop();
    this.#prefetch.close();
  }

  /** The claims have changed. What is not wanted any more goes (F1). */
  wake(): void {
    for (const item of this.#running) if (!isWanted(item)) this.#kill(item);
    this.#prefetch.wake();
    this.uploads.wake();
  }

  /** Whether, and since when, somebody follows logs (OwnerBeat.follow). */
  follow(follow: number): void {
    this.#live.follow(follow);
  }

  /** A user wants the datum to begin again. No try is spent. */
  restart(claim: Claim, index: number): void {
    for (const item of this.#running) {
      if (item.claim !== claim || item.index !== index) continue;
      item.restart = true;
      this.#kill(item);
    }
  }

  /** The next command for a slot that is free. */
  next(): Run | undefined {
    while (this.uploads.hasRoom) {
      const item = this.#prefetch.shift();
      if (item === undefined) return undefined;
      if (item.claim.start(item.index, this.#options.clock.now())) return this.#runOf(item);
      removeFolder(item, this.#options.folders);
    }
    return undefined;
  }

  #runOf(item: Item): Run {
    const { clock } = this.#options;
    const { job, log, cost, spent } = item;
    const folder = (item.folder as DatumFolder).path;
    const env = datumEnvironment(job.work, item.datum, folder, spent);
    const [argv, stdin] = spent === undefined ? [job.argv, job.stdin] : [job.errArgv, job.errStdin];
    const run: Run = {
      command: { folder, workingDir: job.workingDir, argv, env, stdin },
      timeoutMs: job.timeoutMs,
      started: () => {
        if (spent !== undefined) return; // what is told is the cost of the last try
        cost.startedAt = clock.now();
        cost.startedWall = clock.wall();
      },
      exited: () => {
        if (spent === undefined) cost.processMs = clock.now() - cost.startedAt;
        item.claim.ended(item.index);
      },
      output: (stream, bytes) => log.add(stream, item.failures + 1, clock.wall(), bytes),
      ended: (ended) => {
        item.run = undefined;
        this.#running.delete(item);
        this.#live.ended(item);
        this.#onEnded(item, ended);
      },
    };
    item.run = run;
    this.#running.add(item);
    return run;
  }

  /** F2. */
  #onEnded(item: Item, ended: Ended): void {
    if (!isWanted(item)) return removeFolder(item, this.#options.folders);
    if (item.restart) forgive(item);
    if (item.restart || ended.kind === "killed") {
      item.restart = false;
      return this.#again(item, 0);
    }
    if (ended.kind === "lost") return this.#onLost(item, ended.detail);
    void this.uploads.between(() => this.#upload(item, ended)).finally(() => this.#pokeSlots());
  }

  #onLost(item: Item, detail: string): void {
    item.losses++;
    if (++item.launchersLost < LOSSES_MAX) return this.#again(item, 0);
    const message = fitMessage(`the shell that ran the command died ${item.launchersLost} times: ${detail}`);
    void this.uploads.between(() => this.#fail(item, item.spent ?? { reason: "LAUNCHER_LOST", message }));
  }

  async #upload(item: Item, ended: Ended & { kind: "exited" | "timed-out" }): Promise<void> {
    try {
      const failure = await this.uploads.store(item, ended);
      if (failure !== undefined) this.#onFailure(item, failure);
    } catch (error) {
      const { log } = this.#options;
      log.error({ err: error, job: item.claim.assigned.job, index: item.index }, "cannot store what a datum left");
      this.#again(item, STORE_WAIT_MS);
    }
  }

  /** To be called between uploads. */
  #onFailure(item: Item, failure: Failure): void {
    if (item.spent !== undefined) return this.#fail(item, notSaved(item.spent, failure));
    item.failures++;
    if (item.claim.assigned.isRace) return this.#fail(item, failure);
    if (item.failures >= item.job.tries) return this.#onSpent(item, failure);
    this.#options.onTryFailed(item.claim, item.index, item.failures);
    const waits = backoff({ ...RETRY, random: this.#options.random });
    const waitsMs = Array.from({ length: item.failures }, () => waits.next());
    this.#again(item, waitsMs.at(-1) ?? 0);
  }

  /** F5. */
  #onSpent(item: Item, failure: Failure): void {
    if (item.job.errArgv.length === 0) return this.#fail(item, failure);
    item.spent = failure;
    this.#again(item, 0);
  }

  /** For good. */
  #fail(item: Item, failure: Failure): void {
    if (!item.claim.assigned.isRace) return this.uploads.fail(item, failure);
    removeFolder(item, this.#options.folders); // F4
    this.#options.onRaceFailed(item.claim);
  }

  /** In a folder as good as new: what the last try left must not help or harm the next. */
  #again(item: Item, waitMs: number): void {
    removeFolder(item, this.#options.folders);
    if (isWanted(item)) this.#prefetch.again(item, waitMs);
  }

  #kill(item: Item): void {
    if (item.run !== undefined) for (const slot of this.#slots) slot.kill(item.run);
  }

  #pokeSlots(): void {
    for (const slot of this.#slots) slot.poke();
  }
}

/** The datum begins again, not its err_cmd: the try that was its last is not spent. */
function forgive(item: Item): void {
  if (item.spent === undefined) return;
  item.spent = undefined;
  item.failures--;
}
