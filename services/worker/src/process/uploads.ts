/**
 * The last stage: looks at what a command left, stores it, and grows the runs of it.
 *
 * F3. A cut happens between two uploads, never in one: then no file is half in a pack.
 */
import { type SumOutput, writeLog } from "@sheaf/files";
import type { store } from "@sheaf/proto";
import type { Clock } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import type { ClaimBook } from "../claims/book.ts";
import type { Claim } from "../claims/claim.ts";
import type { Cut, Interval } from "../claims/terms.ts";
import { collect } from "../datum/collector.ts";
import { lastWordsOf } from "../datum/log-capture.ts";
import { type Failure, failureOf } from "../datum/outcome.ts";
import { upload } from "../datum/upload.ts";
import type { Built } from "../engine/messages.ts";
import { Serial } from "../engine/serial.ts";
import type { Ended } from "../launcher/slot.ts";
import type { DatumFolder, DatumFolders } from "../scratch/datum-folders.ts";
import { Drafts } from "./drafts.ts";
import { type Item, type Outcome, removeFolder, rowOf } from "./item.ts";
import { Packs } from "./packs.ts";
import { totalsOf } from "./totals.ts";

/** Ended datums that wait for the upload before no other begins. */
const WAITING_MAX = 32;

export interface UploadsOptions {
  readonly store: Store;
  readonly book: ClaimBook;
  readonly folders: DatumFolders;
  readonly worker: string;
  /** The PATH of commands, when their spec sets none. */
  readonly path: string;
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

  /** Runs between two uploads (F3). */
  between<T>(task: () => T | Promise<T>): Promise<T> {
    return this.#line.run(task);
  }

  /**
   * Stores what the command left. Undefined: the datum has its outcome; else what it, or the command, did wrong. What err_cmd
   * left is not looked at: a datum that it saved has no output.
   */
  async store(item: Item, ended: Ended & { kind: "exited" | "timed-out" }): Promise<Failure | undefined> {
    const began = this.#options.clock.now();
    const failure = this.#failureOf(item, ended);
    if (failure !== undefined) return failure;
    if (item.spent !== undefined) {
      this.#settle(item, { kind: "recovered", failure: item.spent });
      return undefined;
    }
    const { out, pfs } = item.folder as DatumFolder;
    const collected = collect(out, pfs);
    if (!collected.ok) return collected.failure;
    const packs = this.#packs.writer;
    const stored = await upload(collected.files, packs, item.job.isSum);
    if (!stored.ok) return stored.failure;
    item.cost.uploadBytes = stored.bytes;
    item.cost.uploadMs = this.#options.clock.now() - began;
    this.#settle(item, { kind: "succeeded" }, stored);
    await packs.ready();
    return undefined;
  }

  /** The datum has failed for good. To be called between uploads. */
  fail(item: Item, failure: Failure): void {
    this.#settle(item, { kind: "failed", failure });
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
  #failureOf(
    { job, log, spent, failures }: Item,
    ended: Ended & { kind: "exited" | "timed-out" },
  ): Failure | undefined {
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
    const fresh = { sums, release: () => removeFolder(item, folders) };
    this.#drafts.add(item.claim, item.index, result, fresh, item.job.work.spec?.merge);
    onFinished(item.claim);
  }
}
