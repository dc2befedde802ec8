/**
 * The shop floor of process work: three stages that work at the same time, with bounded queues between them, so that while
 * datum i runs, i+1.. are downloaded and ..i-1 are uploaded.
 *
 *     book -> [prefetch] -> ready -> [stations] -> ended -> [uploads] -> runs
 *                 ^                                             |
 *                 +-------------- tries that follow ------------+
 *
 * F1. Whether a datum is still wanted is asked of its claim at every door: claims shrink at any time.
 * F2. What a command did on its own account (exit code, timeout, bad output) is a failure and is counted, on from those on
 *     earlier workers; what happened to it (a kill, the death of its launcher) is not (L9).
 * F4. A race ends with the first failure: it counts for nobody.
 * F5. A datum whose tries are spent may have an err_cmd, which decides between FAILED and RECOVERED. It runs as a try does, in a
 *     folder as good as new. The failure that spent the last try is told to nobody before the datum has its outcome: should
 *     this worker die, the next one runs the command once more, and so knows what to tell err_cmd.
 * F6. After a command that failed on a full disk none begins until what it left is removed, which can take seconds: it would fail for
 *     the same, and count it against its own datum. The disk is asked only when a command has failed (L10).
 */
import type { dispatch } from "@sheaf/proto";
import { backoff, type Random } from "@sheaf/runtime";
import type { Claim } from "../claims/claim.ts";
import { aboveWhileRunning } from "../datum/collector.ts";
import { whatWentWrong } from "../datum/download.ts";
import { datumEnvironment } from "../datum/environment.ts";
import { type Failure, fitMessage, notSaved, quarantineOf } from "../datum/outcome.ts";
import type { Held } from "../handler/held.ts";
import type { DatumRun, TryEnded, Upcoming, Waiting } from "./datum-run.ts";
import { DiskWatch } from "./disk-watch.ts";
import { type Item, isWanted, removeFolder } from "./item.ts";
import type { Mode } from "./job.ts";
import { LiveLogs } from "./live-logs.ts";
import { Prefetch, type PrefetchOptions } from "./prefetch.ts";
import { ProgressNotes } from "./progress-notes.ts";
import type { Station } from "./station.ts";
import { type OwnEnd, Uploads, type UploadsOptions } from "./uploads.ts";

/** Launchers that may die under a datum before it is called its fault. */
const LOSSES_MAX = 3;
const STORE_WAIT_MS = 500;
const COMMAND: Mode = { t: "command" };
const RETRY = { baseMs: 100, capMs: 5_000 };

export interface FloorOptions
  extends Omit<
      PrefetchOptions,
      "isBusy" | "bytesFree" | "onReady" | "onSkipped" | "onImpossible" | "onQuarantined" | "onUnfed"
    >,
    UploadsOptions {
  readonly random: Random;
  /** A try failed and others follow. */
  readonly onTryFailed: (claim: Claim, index: number, tries: number) => void;
  readonly onRaceFailed: (claim: Claim) => void;
  /** Somebody follows what the datums of this claim write. */
  readonly onLiveLog: (claim: Claim, live: dispatch.LiveLog) => void;
}

export class Floor implements Waiting {
  readonly #options: FloorOptions;
  readonly #prefetch: Prefetch;
  readonly uploads: Uploads;
  readonly #running = new Set<Item>();
  readonly #notes: ProgressNotes;
  readonly #live: LiveLogs;
  readonly #disk: DiskWatch;
  #stations: readonly Station[] = [];
  /** F6: datums whose files are being removed. */
  #clearing = 0;

  constructor(options: FloorOptions) {
    this.#options = options;
    this.uploads = new Uploads(options);
    this.#notes = new ProgressNotes(options.clock, this.#running);
    this.#disk = new DiskWatch(options.clock, this.#running, (item, limit) => this.#onAbove(item, limit));
    this.#live = new LiveLogs(options.clock, this.#running, ({ claim }, live) => options.onLiveLog(claim, live));
    this.#prefetch = new Prefetch({
      ...options,
      isBusy: () => this.#running.size > 0 || this.uploads.isBusy,
      bytesFree: () => options.folders.bytesFree,
      onReady: () => this.#poke(),
      onSkipped: (item, skipped) => this.uploads.skip(item, skipped),
      onImpossible: (item, failure) => void this.uploads.between(() => this.#onFailure(item, failure)),
      onQuarantined: (item) => void this.uploads.between(() => this.#fail(item, quarantineOf(item.losses))),
      onUnfed: (item) => this.#kill(item),
    });
  }

  /** Begins to work. The stations call `next` for datums. Resolves when it is closed. */
  run(stations: readonly Station[]): Promise<void> {
    this.#stations = stations;
    this.#notes.start();
    this.#disk.start();
    return this.#prefetch.run();
  }

  close(): void {
    this.#notes.stop();
    this.#disk.stop();
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

  get upcoming(): Upcoming | undefined {
    const item = this.#clearing === 0 && this.uploads.hasRoom ? this.#prefetch.first : undefined;
    return item && { job: item.job, mode: modeOf(item) };
  }

  next({ job, mode }: Upcoming): DatumRun | undefined {
    for (let next = this.upcoming; next?.job === job && next.mode === mode; next = this.upcoming) {
      const item = this.#prefetch.shift() as Item;
      if (item.claim.start(item.index, this.#options.clock.now())) return this.#runOf(item);
      removeFolder(item, this.#options.folders);
    }
    return undefined;
  }

  #runOf(item: Item): DatumRun {
    const { clock } = this.#options;
    const { job, log, cost, spent } = item;
    const { limits, user } = job;
    item.folder ??= this.#options.folders.adopt((item.held as Held).folder);
    const { seen: folder } = item.folder;
    const env = datumEnvironment(job.work, item.datum, folder, job.user, spent);
    const [argv, stdin] = spent === undefined ? [job.argv, job.stdin] : [job.errArgv, job.errStdin];
    const run: DatumRun = {
      job,
      datum: item.datum,
      held: item.held,
      command: { folder, inputs: job.inputs, workingDir: job.workingDir, argv, env, stdin, limits, user },
      timeoutMs: job.timeoutMs,
      started: () => {
        item.lazy?.open();
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
        if (item.held !== undefined && ended.kind === "exited") this.#prefetch.wantsFiles(job);
        item.held = undefined;
        if (ended.kind === "wrote") item.folder = undefined;
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
  #onEnded(item: Item, ended: TryEnded): void {
    const unfed = item.lazy?.close();
    if (!isWanted(item)) return removeFolder(item, this.#options.folders);
    if (item.restart) forgive(item);
    const own = ownEnd(ended, item.broken);
    item.broken = undefined;
    if (item.restart || own.kind === "killed") {
      item.restart = false;
      return this.#again(item, 0);
    }
    if (unfed !== undefined) return this.#onUnfed(item, unfed.error);
    if (own.kind === "lost") return this.#onLost(item, own.detail);
    void this.#leave(item, own);
  }

  async #leave(item: Item, ended: OwnEnd): Promise<void> {
    const { folders } = this.#options;
    const isGood = ended.kind === "wrote" || (ended.kind === "exited" && ended.status === 0);
    const lacks = isGood ? undefined : folders.lacks;
    item.lacks = lacks;
    if (lacks !== undefined) this.#clearing++; // F6
    try {
      await this.uploads.between(() => this.#upload(item, ended));
      if (lacks !== undefined) await folders.removed();
    } finally {
      if (lacks !== undefined) this.#clearing--;
      this.#poke();
    }
  }

  /** It is ended before it fills the disk. */
  #onAbove(item: Item, limit: number): void {
    item.broken = aboveWhileRunning(limit);
    this.#kill(item);
  }

  /** A lazy file could not be fed: whatever the command made of that does not count. */
  #onUnfed(item: Item, error: unknown): void {
    const why = whatWentWrong(error);
    if (why.kind === "impossible") return void this.uploads.between(() => this.#onFailure(item, why.failure));
    const { job } = item.claim.assigned;
    this.#options.log.error({ job, index: item.index }, `cannot feed a lazy file: ${why.detail}`);
    this.#again(item, STORE_WAIT_MS);
  }

  #onLost(item: Item, detail: string): void {
    item.losses++;
    if (++item.launchersLost < LOSSES_MAX) return this.#again(item, 0);
    const message = fitMessage(`the shell that ran the command died ${item.launchersLost} times: ${detail}`);
    void this.uploads.between(() => this.#fail(item, item.spent ?? { reason: "LAUNCHER_LOST", message }));
  }

  async #upload(item: Item, ended: OwnEnd): Promise<void> {
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
    if (item.run !== undefined) for (const station of this.#stations) station.kill(item.run);
  }

  #poke(): void {
    for (const station of this.#stations) station.poke();
  }
}

/** An err_cmd is a command, whatever runs the datums. */
function modeOf({ job, spent }: Item): Mode {
  return spent === undefined ? job.mode : COMMAND;
}

/** A kill counts for nothing, unless it was for what the command did. */
function ownEnd(ended: TryEnded, broken: Failure | undefined): TryEnded {
  return ended.kind === "killed" && broken !== undefined ? { kind: "failed", failure: broken } : ended;
}

/** The datum begins again, not its err_cmd: the try that was its last is not spent. */
function forgive(item: Item): void {
  if (item.spent === undefined) return;
  item.spent = undefined;
  item.failures--;
}
