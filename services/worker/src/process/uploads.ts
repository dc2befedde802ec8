/**
 * The last stage: looks at what a command left, stores it, and grows the runs of it.
 *
 * F3. A cut happens between two uploads, never in one: then no file is half in a pack.
 */
import { type HashThreads, type PackWriter, type SumOutput, writeLog } from "@sheaf/files";
import type { store } from "@sheaf/proto";
import type { Clock } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import type { ClaimBook } from "../claims/book.ts";
import type { Claim } from "../claims/claim.ts";
import type { Cut, Interval } from "../claims/terms.ts";
import { collect } from "../datum/collector.ts";
import { absentFiles } from "../datum/input-modes.ts";
import { lastWordsOf } from "../datum/log-capture.ts";
import { type Failure, failureOf, fitMessage } from "../datum/outcome.ts";
import { type Uploaded, upload } from "../datum/upload.ts";
import type { Built } from "../engine/messages.ts";
import { Serial } from "../engine/serial.ts";
import { uploadWritten } from "../handler/held.ts";
import type { DatumFolder, DatumFolders } from "../scratch/datum-folders.ts";
import type { TryEnded } from "./datum-run.ts";
import { Drafts } from "./drafts.ts";
import { type Item, type Outcome, removeFolder, rowOf } from "./item.ts";
import { Packs } from "./packs.ts";
import { type Skipped, skippedRow } from "./skipped.ts";
import { totalsOf } from "./totals.ts";

/** Ended datums that wait for the upload before no other begins. */
const WAITING_MAX = 32;
/**
 * What a skipped datum, and each of its files, counts for the size of a run: nothing is uploaded, but row and entries are held until
 * the cut, which so comes after some 32,000 of them.
 */
const SKIPPED_BYTES = 2_048;

/** An end of a try that is its command's own doing. */
export type OwnEnd = TryEnded & { kind: "exited" | "timed-out" | "wrote" | "failed" };

export interface UploadsOptions {
  readonly store: Store;
  readonly book: ClaimBook;
  readonly folders: DatumFolders;
  /** For large outputs. */
  readonly threads: HashThreads;
  readonly worker: string;
  /** The PATH of commands, when their spec sets none; undefined: their container's. */
  readonly path: string | undefined;
  readonly clock: Clock;
  readonly newAttempt: () => string;
  /** A datum has its outcome. */
  readonly onFinished: (claim: Claim) => void;
}

/** What is kept of an output folder. */
interface Stored {
  readonly entries: readonly store.FileEntry[];
  readonly sums: readonly SumOutput[];
}

const NOTHING: Stored = { entries: [], sums: [] };
const NONE_ACCEPTED: ReadonlySet<number> = new Set();

export class Uploads {
  readonly #options: UploadsOptions;
  readonly #line = new Serial();
  readonly #drafts: Drafts;
  #packs: Packs;

  constructor(options: UploadsOptions) {
    this.#options = options;
    this.#packs = new Packs(options.store);
    this.#drafts = new Drafts(options.worker, options.newAttempt);
  }

  get hasRoom(): boolean {
    return this.#line.length < WAITING_MAX;
  }

  get isBusy(): boolean {
    return this.#line.length > 0;
  }

  /** Runs between two uploads (F3). */
  between<T>(task: () => T | Promise<T>): Promise<T> {
    return this.#line.run(task);
  }

  /**
   * Stores what the command left. Undefined: the datum has its outcome; else what it, or the command, did wrong. What err_cmd
   * left is not looked at: a datum that it saved has no output.
   */
  async store(item: Item, ended: OwnEnd): Promise<Failure | undefined> {
    const began = this.#options.clock.now();
    const failure = this.#failureOf(item, ended);
    if (failure !== undefined) return ended.kind === "failed" ? failure : withoutRoom(item, failure);
    if (item.spent !== undefined) {
      this.#settle(item, { kind: "recovered", failure: item.spent });
      return undefined;
    }
    const packs = this.#packs.writer;
    const stored = await (ended.kind === "wrote"
      ? uploadWritten(ended.files, packs, item.job)
      : this.#collect(item, packs));
    if (!stored.ok) return stored.failure;
    item.cost.uploadBytes = stored.bytes;
    item.cost.uploadMs = this.#options.clock.now() - began;
    this.#settle(item, { kind: "succeeded" }, stored);
    await this.#packs.ready();
    return undefined;
  }

  async #collect({ folder, job, datum }: Item, packs: PackWriter): Promise<Uploaded> {
    const { out, pfs, seen } = folder as DatumFolder;
    const absent = absentFiles(datum, job.modes);
    const places = { out, pfs, seen: `${seen}/pfs`, ...(absent && { absent }) };
    const collected = collect(places, { bytes: job.diskBytes });
    return collected.ok ? upload(collected.files, packs, job.isSum, this.#options.threads) : collected;
  }

  /** The datum has failed for good. To be called between uploads. */
  fail(item: Item, failure: Failure): void {
    this.#settle(item, { kind: "failed", failure });
  }

  /** The datum is not run: what an earlier job has made of it goes into the run, and stays in the packs where it is. */
  skip(item: Item, skipped: Skipped): void {
    const { entries, sums } = skipped;
    if (!item.claim.finish(item.index, (1 + entries.length) * SKIPPED_BYTES)) return;
    const row = skippedRow(item.index, item.datum, skipped, item.cost.downloadMs);
    const result = { row, entries, sumPaths: new Set(sums.map(({ path }) => path)) };
    // While one before it runs, thousands may come to wait: their lines are not held, but read back.
    const isNext = item.claim.ready > item.index;
    const atHand = sums.length === 0 || isNext ? sums : undefined;
    this.#drafts.add(item.claim, item.index, result, atHand, item.job.work.spec?.merge);
    this.#options.onFinished(item.claim);
  }

  attemptOf(claim: Claim): string | undefined {
    return this.#drafts.attemptOf(claim);
  }

  /** Writes the run of a cut. To be called between uploads; the first part, up to the first wait, happens at once (F3). */
  async build(claim: Claim, cut: Cut): Promise<Built> {
    const { store } = this.#options;
    const sealed = this.#packs.seal();
    const draft = this.#drafts.take(claim, cut);
    const totals = totalsOf(this.#drafts.results(claim, cut));
    await sealed;
    const builder = draft ?? (await this.#drafts.rebuild(claim, cut, store));
    const { ref } = await builder.finish(store);
    return { result: ref, totals };
  }

  committed(claim: Claim, interval: Interval): void {
    this.#drafts.forget(claim, interval);
  }

  /** The claims have changed: results of those that are gone are not kept. */
  wake(): void {
    const { book } = this.#options;
    for (const claim of [...this.#drafts.held]) {
      if (!book.has(claim)) this.#drafts.drop(claim);
    }
  }

  /** Packs could not be stored: all that is kept may name them, and is worthless. The claims must be given up as well. */
  reset(): void {
    this.#packs = new Packs(this.#options.store);
  }

  /** Of the command, or of err_cmd when that is what ran: only 0 is its success. */
  #failureOf({ job, log, spent, failures }: Item, ended: OwnEnd): Failure | undefined {
    if (ended.kind === "wrote") return undefined;
    if (ended.kind === "failed") return ended.failure;
    return failureOf(ended, {
      argv: spent === undefined ? job.argv : job.errArgv,
      path: job.work.spec?.transform?.env.PATH ?? this.#options.path,
      workingDir: job.workingDir,
      timeoutMs: job.timeoutMs,
      accepted: spent === undefined ? job.accepted : NONE_ACCEPTED,
      memory: job.work.spec?.resourceLimits?.memory ?? "",
      // Looked for only when it failed: the log may be long.
      get lastWords() {
        return lastWordsOf(log.lines(), failures + 1);
      },
    });
  }

  #settle(item: Item, outcome: Outcome, { entries, sums }: Stored = NOTHING): void {
    const { folders, onFinished } = this.#options;
    const log = item.log.isEmpty ? undefined : writeLog(this.#packs.writer, item.log.lines());
    if (log !== undefined) log.log = BigInt(item.log.number);
    const row = rowOf(item, outcome, log);
    if (!item.claim.finish(item.index, item.cost.uploadBytes)) return removeFolder(item, folders);
    const result = { row, entries, sumPaths: new Set(sums.map(({ path }) => path)) };
    this.#drafts.add(item.claim, item.index, result, sums, item.job.work.spec?.merge);
    // Now, and not when its turn comes: a datum before it that is tried again may need the room.
    removeFolder(item, folders);
    onFinished(item.claim);
  }
}

/** A command that fails on a full disk mostly fails for that. */
function withoutRoom({ lacks }: Item, failure: Failure): Failure {
  if (lacks === undefined) return failure;
  return {
    reason: "SCRATCH_FULL",
    message: fitMessage(`the scratch disk of the worker has no ${lacks} left; ${failure.message}`),
  };
}
