// The first stage: takes datums from the claims in their order and downloads them ahead, and again when they are tried again.
// Of a datum that an earlier job has done it gets the result in the place of the inputs. Such a datum keeps its place in the line,
// because one that has ended cannot be given back, nor can those before it (C1).

import { type SegmentReader, segmentReader } from "@sheaf/files";
import type { store } from "@sheaf/proto";
import { type Clock, type Logger, messageOf, SheafError, type Timer } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import type { ClaimBook } from "../claims/book.ts";
import type { Claim } from "../claims/claim.ts";
import { type Downloaded, download } from "../datum/download.ts";
import { type Failure, fitMessage } from "../datum/outcome.ts";
import { Bell } from "../engine/bell.ts";
import type { DatumFolders } from "../scratch/datum-folders.ts";
import { type Item, isQuarantined, isWanted, newItem, removeFolder } from "./item.ts";
import type { ProcessJob } from "./job.ts";
import { EarlierResults, type Skipped } from "./skipped.ts";

/** Datums that are downloaded ahead. */
const AHEAD_COUNT = 64;
const AHEAD_BYTES = 64 * 1024 * 1024;
const AWAY_WAIT_MS = 500;
/** Skipped datums need no real wait: others of this thread get their turn at least so often. */
const BREATH_MS = 10;

export interface PrefetchOptions {
  readonly store: Store;
  readonly book: ClaimBook;
  readonly folders: DatumFolders;
  readonly clock: Clock;
  readonly log: Logger;
  readonly openJob: (input: store.ObjectRef) => Promise<ProcessJob>;
  /** There is something to `shift`. */
  readonly onReady: () => void;
  /** It is the turn of a datum that an earlier job has done. It counts as started. */
  readonly onSkipped: (item: Item, skipped: Skipped) => void;
  /** What the datum reads is damaged. */
  readonly onDamaged: (item: Item, failure: Failure) => void;
  /** Too many workers were lost with the datum: it is not to be run. */
  readonly onQuarantined: (item: Item) => void;
  /** A datum that was not started cannot be prepared here, for want of room or of the plan. It was logged. */
  readonly onCannotGoOn: (claim: Claim) => void;
}

export class Prefetch {
  readonly #options: PrefetchOptions;
  readonly #reader: SegmentReader;
  readonly #earlier: EarlierResults;
  readonly #bell = new Bell();
  readonly #ready: Item[] = [];
  #aheadBytes = 0;
  /** Tries that follow, when their wait is over. */
  readonly #again: Item[] = [];
  readonly #waiting = new Map<Item, Timer>();
  #resting: Timer | undefined;
  #closed = false;

  constructor(options: PrefetchOptions) {
    this.#options = options;
    this.#reader = segmentReader(options.store);
    this.#earlier = new EarlierResults(options.store, this.#reader, options.log);
  }

  /** Downloads until it is closed. */
  async run(): Promise<void> {
    for (let breath = this.#options.clock.now(); !this.#closed; ) {
      if (this.#options.clock.now() - breath > BREATH_MS) {
        await new Promise(setImmediate);
        breath = this.#options.clock.now();
      }
      // Asked for before the look, so that no change in between is missed.
      const change = this.#bell.wait();
      const item = this.#hasRoom() ? (this.#again.shift() ?? (await this.#nextItem())) : undefined;
      if (item === undefined) await change;
      else if (isQuarantined(item)) this.#options.onQuarantined(item);
      else if (isWanted(item)) await this.#download(item);
    }
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#waiting.values()) timer.cancel();
    this.#resting?.cancel();
    this.#bell.ring();
  }

  /** The claims have changed. Datums that are not wanted any more go. */
  wake(): void {
    for (const item of [...this.#ready]) if (!isWanted(item)) this.#drop(item);
    for (const item of [...this.#waiting.keys()]) if (!isWanted(item)) this.#drop(item);
    this.#skip();
    this.#bell.ring();
  }

  /** The next datum to run. */
  shift(): Item | undefined {
    const item = this.#ready.shift();
    if (item === undefined) return undefined;
    this.#aheadBytes -= item.cost.downloadBytes;
    this.#skip();
    this.#bell.ring();
    return item;
  }

  /** Settles what nothing that is to be run stands before. */
  #skip(): void {
    for (let skipped = this.#ready[0]?.skipped; skipped !== undefined; skipped = this.#ready[0]?.skipped) {
      const item = this.#ready.shift() as Item;
      if (item.claim.start(item.index, this.#options.clock.now())) this.#options.onSkipped(item, skipped);
    }
  }

  /** Downloads the datum anew, before all others, after a wait. */
  again(item: Item, waitMs: number): void {
    const now = () => {
      this.#waiting.delete(item);
      if (!isWanted(item)) return;
      this.#again.push(item);
      this.#bell.ring();
    };
    if (waitMs === 0) now();
    else this.#waiting.set(item, this.#options.clock.timer(waitMs, now));
  }

  #hasRoom(): boolean {
    if (this.#resting !== undefined) return false;
    return this.#ready.length < AHEAD_COUNT && (this.#aheadBytes < AHEAD_BYTES || this.#ready.length === 0);
  }

  async #nextItem(): Promise<Item | undefined> {
    const { book, openJob, log, onCannotGoOn } = this.#options;
    const claim = book.nextToPrepare("process");
    const index = claim?.prepare();
    if (claim === undefined || index === undefined) return undefined;
    try {
      const job = await openJob(claim.assigned.input);
      const datum = await job.datum(index);
      return newItem(claim, job, index, datum);
    } catch (error) {
      log.error(
        { err: error, claim: claim.assigned.id },
        `cannot read datum ${index} of the plan: ${messageOf(error)}`,
      );
      if (claim.holds(index)) onCannotGoOn(claim);
      return undefined;
    }
  }

  async #download(item: Item): Promise<void> {
    const { clock, folders, onReady } = this.#options;
    const began = clock.now();
    const done = await this.#tryDownload(item);
    item.cost.downloadMs = clock.now() - began;
    if (done.kind === "ready") {
      item.cost.downloadBytes = done.bytes;
      this.#aheadBytes += done.bytes;
      // One that was tried before holds up the cut of all behind it.
      if (item.index < item.claim.next) this.#ready.unshift(item);
      else this.#ready.push(item);
      this.#skip();
      return onReady();
    }
    removeFolder(item, folders);
    if (isWanted(item)) this.#cannotDownload(item, done);
  }

  async #tryDownload(item: Item): Promise<Downloaded> {
    try {
      item.skipped = await this.#earlier.find(item.job, item.datum);
    } catch (error) {
      if (!(error instanceof SheafError)) throw error;
      return { kind: "store-away", detail: messageOf(error) };
    }
    if (item.skipped !== undefined) return { kind: "ready", bytes: 0 };
    try {
      item.folder = this.#options.folders.take();
      return await download(item.datum, item.folder, this.#reader);
    } catch (error) {
      return { kind: "scratch-full", detail: messageOf(error) };
    }
  }

  #cannotDownload(item: Item, why: Exclude<Downloaded, { kind: "ready" }>): void {
    const { log, onDamaged, onCannotGoOn } = this.#options;
    const { detail } = why;
    if (why.kind === "damaged") return onDamaged(item, { reason: "INPUT_DAMAGED", message: fitMessage(detail) });
    const isFull = why.kind === "scratch-full";
    const what = isFull ? "the scratch folder cannot take a datum" : "the store does not answer";
    log.error({ job: item.claim.assigned.job, index: item.index }, `${what}: ${detail}`);
    // What was downloaded ahead takes room as well: it is used up first.
    if (isFull && this.#ready.length === 0 && item.index >= item.claim.next) return onCannotGoOn(item.claim);
    this.#again.unshift(item);
    this.#rest();
  }

  /** Downloads nothing for a while: the next datum would fare no better. */
  #rest(): void {
    this.#resting = this.#options.clock.timer(AWAY_WAIT_MS, () => {
      this.#resting = undefined;
      this.#bell.ring();
    });
  }

  #drop(item: Item): void {
    const at = this.#ready.indexOf(item);
    if (at >= 0) {
      this.#ready.splice(at, 1);
      this.#aheadBytes -= item.cost.downloadBytes;
    }
    this.#waiting.get(item)?.cancel();
    this.#waiting.delete(item);
    removeFolder(item, this.#options.folders);
  }
}
