/**
 * The last stage: looks at what a command left, stores it, and grows the runs of it.
 *
 * F3. A cut happens between two uploads, never in one: then no file is half in a pack.
 */
import { type PackWriter, type SumOutput, writeLog } from "@sheaf/files";
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
import { type Item, removeFolder, rowOf } from "./item.ts";
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

  /** Stores what the command left. Undefined: the datum has its outcome; else what it, or the command, did wrong. */
  async store(item: Item, ended: Ended & { kind: "exited" | "timed-out" }): Promise<Failure | undefined> {
    const began = this.#options.clock.now();
    const failure = this.#failureOf(item, ended);
    if (failure !== undefined) return failure;
    const { out, pfs } = item.folder as DatumFolder;
    const collected = collect(out, pfs);
    if (!collected.ok) return collected.failure;
    const packs = this.#packs.writer;
    const stored = await upload(collected.files, packs, item.job.isSum);
    if (!stored.ok) return stored.failure;
    item.cost.uploadBytes = stored.bytes;
    item.cost.uploadMs = this.#options.clock.now() - began;
    this.#settle(item, undefined, packs, stored.entries, stored.sums);
    await packs.ready();
    return undefined;
  }

  /** The datum has failed for good. To be called between uploads. */
  fail(item: Item, failure: Failure): void {
    this.#settle(item, failure, this.#packs.writer, [], []);
  }

  /** The datum is not run: what an earlier job has made of it goes into the run, and stays in the packs where it is. */
  skip(item: Item, skipped: Skipped): void {
    const { entries, sums } = skipped;
    if (!item.claim.finish(item.index, (1 + entries.length) * SKIPPED_BYTES)) return;
    const row = skippedRow(item.index, item.datum, skipped, item.cost.downloadMs);
    const result = { row, entries, sumPaths: new Set(sums.map(({ path }) => path)) };
    // While one before it runs, thousands may come to wait: their lines are not held, but read back.
    const isNext = item.claim.ready > item.index;
    const fresh = sums.length === 0 || isNext ? { sums, release: () => {} } : undefined;
    this.#drafts.add(item.claim, item.index, result, fresh, item.job.work.spec?.merge);
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

  #failureOf({ job, log }: Item, ended: Ended & { kind: "exited" | "timed-out" }): Failure | undefined {
    return failureOf(ended, {
      argv: job.argv,
      path: job.work.spec?.transform?.env.PATH ?? this.#options.path,
      workingDir: job.workingDir,
      timeoutMs: job.timeoutMs,
      accepted: job.accepted,
      lastWords: log.isEmpty ? "" : lastWordsOf(log.lines()),
    });
  }

  #settle(
    item: Item,
    failure: Failure | undefined,
    packs: PackWriter,
    entries: readonly store.FileEntry[],
    sums: readonly SumOutput[],
  ): void {
    const { folders, onFinished } = this.#options;
    const row = rowOf(item, failure, item.log.isEmpty ? undefined : writeLog(packs, item.log.lines()));
    if (!item.claim.finish(item.index, item.cost.uploadBytes)) return removeFolder(item, folders);
    const result = { row, entries, sumPaths: new Set(sums.map(({ path }) => path)) };
    const fresh = { sums, release: () => removeFolder(item, folders) };
    this.#drafts.add(item.claim, item.index, result, fresh, item.job.work.spec?.merge);
    onFinished(item.claim);
  }
}
