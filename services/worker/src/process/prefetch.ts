/**
 * The first stage: takes datums from the claims in their order and downloads them ahead, and again when they are tried again.
 *
 * P1. Several downloads are under way at a time, for a store that takes its time to answer; datums leave in the order of their claim
 *     all the same, because a claim gives back what lies behind the last that was started (C1).
 * P2. What is downloaded ahead, or under way, is bounded in number and in bytes; one datum may be larger than that.
 * P3. Of a datum that an earlier job has done it gets the result in the place of the inputs. Such a datum keeps its place in the line,
 *     because one that has ended cannot be given back, nor can those before it (C1).
 * P4. What is downloaded ahead leaves as much of the disk free as it takes: what a command writes, it writes to the same disk, and it
 *     must not fail for want of room that ours took.
 */
import type { store } from "@sheaf/proto";
import { messageOf, type Timer } from "@sheaf/runtime";
import type { ClaimBook } from "../claims/book.ts";
import type { Claim } from "../claims/claim.ts";
import type { Downloaded } from "../datum/download.ts";
import { type InputFile, inputFiles } from "../datum/input-modes.ts";
import type { Failure } from "../datum/outcome.ts";
import { Bell } from "../engine/bell.ts";
import { type Item, isQuarantined, isWanted, newItem, removeFolder } from "./item.ts";
import type { ProcessJob } from "./job.ts";
import { Preparing, type PreparingOptions } from "./preparing.ts";
import type { Skipped } from "./skipped.ts";

/** Datums that are downloaded ahead. */
const AHEAD_COUNT = 64;
const AHEAD_BYTES = 64 * 1024 * 1024;
/** With less than that ahead, the disk is not asked. */
const SMALL_BYTES = 1024 * 1024;
const LOADS_MAX = 8;
const AWAY_WAIT_MS = 500;
/** Skipped datums need no real wait: others of this thread get their turn at least so often. */
const BREATH_MS = 10;

export interface PrefetchOptions extends PreparingOptions {
  readonly book: ClaimBook;
  readonly openJob: (input: store.ObjectRef) => Promise<ProcessJob>;
  /** Whether datums that were taken from here have something on the disk. */
  readonly isBusy: () => boolean;
  /** Of the disk that datums lie on. */
  readonly bytesFree: () => number;
  /** There is something to `shift`. */
  readonly onReady: () => void;
  /** It is the turn of a datum that an earlier job has done. It counts as started. */
  readonly onSkipped: (item: Item, skipped: Skipped) => void;
  /** What the datum reads is damaged, or it cannot be prepared anywhere. */
  readonly onImpossible: (item: Item, failure: Failure) => void;
  /** Too many workers were lost with the datum: it is not to be run. */
  readonly onQuarantined: (item: Item) => void;
  /** A datum that was not started cannot be prepared here, for want of room or of the plan. It was logged. */
  readonly onCannotGoOn: (claim: Claim) => void;
}

/** A datum on its way to being ready. */
interface Entry {
  readonly item: Item;
  readonly files: readonly InputFile[];
  /** Of its content, as far as it is, or will be, here. */
  bytes: number;
  state: "waiting" | "loading" | "ready";
}

export class Prefetch {
  readonly #options: PrefetchOptions;
  readonly #preparing: Preparing;
  readonly #bell = new Bell();
  /** In the order in which they leave (P1). */
  readonly #line: Entry[] = [];
  /** Tries that follow: they go before all others, since they hold up the cut of all that is behind them. */
  readonly #again: Entry[] = [];
  /** Those whose wait is not over. */
  readonly #pausing = new Map<Item, Timer>();
  #loads = 0;
  #resting: Timer | undefined;
  #closed = false;

  constructor(options: PrefetchOptions) {
    this.#options = options;
    this.#preparing = new Preparing(options);
  }

  /** Downloads until it is closed. */
  async run(): Promise<void> {
    for (let breath = this.#options.clock.now(); !this.#closed; ) {
      if (this.#options.clock.now() - breath > BREATH_MS) {
        await new Promise(setImmediate);
        breath = this.#options.clock.now();
      }
      this.#skip();
      // Asked for before the look, so that no change in between is missed.
      const change = this.#bell.wait();
      const entry = this.#mayLoad()
        ? (this.#waiting() ?? (this.#hasRoom() ? await this.#nextEntry() : undefined))
        : undefined;
      if (entry === undefined) await change;
      else if (isQuarantined(entry.item)) {
        this.#remove(entry);
        this.#options.onQuarantined(entry.item);
      } else if (!isWanted(entry.item)) this.#remove(entry);
      else if (this.#leavesRoom(entry)) void this.#load(entry);
      else await change;
    }
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#pausing.values()) timer.cancel();
    this.#resting?.cancel();
    this.#bell.ring();
  }

  /** The claims have changed. Datums that are not wanted any more go. */
  wake(): void {
    for (const entry of [...this.#again, ...this.#line]) {
      // One that is being loaded goes when that is over.
      if (!isWanted(entry.item) && entry.state !== "loading") this.#drop(entry);
    }
    for (const [item, timer] of [...this.#pausing]) {
      if (isWanted(item)) continue;
      timer.cancel();
      this.#pausing.delete(item);
    }
    this.#skip();
    this.#bell.ring();
  }

  /** See Preparing. */
  wantsFiles(job: ProcessJob): void {
    this.#preparing.wantsFiles(job);
  }

  /** The next datum to run. It may not be wanted any more. */
  get first(): Item | undefined {
    return this.#first?.item;
  }

  /** Takes it. */
  shift(): Item | undefined {
    const first = this.#first;
    if (first === undefined) return undefined;
    this.#remove(first);
    this.#skip();
    this.#bell.ring();
    return first.item;
  }

  /** Downloads the datum anew, before all others, after a wait. */
  again(item: Item, waitMs: number): void {
    const now = () => {
      this.#pausing.delete(item);
      if (!isWanted(item)) return;
      this.#again.push(entryOf(item));
      this.#bell.ring();
    };
    if (waitMs === 0) now();
    else this.#pausing.set(item, this.#options.clock.timer(waitMs, now));
  }

  get #first(): Entry | undefined {
    const first = this.#again.find(({ state }) => state === "ready") ?? this.#line[0];
    return first?.state === "ready" ? first : undefined;
  }

  /** P3. Settles what nothing that is to be run stands before. */
  #skip(): void {
    for (let first = this.#first; first?.item.skipped !== undefined; first = this.#first) {
      const { item } = first;
      this.#remove(first);
      if (item.claim.start(item.index, this.#options.clock.now())) this.#options.onSkipped(item, first.item.skipped);
    }
  }

  #mayLoad(): boolean {
    return this.#resting === undefined && this.#loads < LOADS_MAX;
  }

  #waiting(): Entry | undefined {
    const waits = ({ state }: Entry) => state === "waiting";
    return this.#again.find(waits) ?? this.#line.find(waits);
  }

  /** P2. */
  #hasRoom(): boolean {
    const count = this.#again.length + this.#line.length;
    return count === 0 || (count < AHEAD_COUNT && bytesOf(this.#again) + bytesOf(this.#line) < AHEAD_BYTES);
  }

  /** P4. The next one to run is not ahead, and waits for nothing: what is ready behind it goes if it needs the room (#makeRoom). */
  #leavesRoom(entry: Entry): boolean {
    const { isBusy, bytesFree } = this.#options;
    if (bytesOf(this.#again) + bytesOf(this.#line) < SMALL_BYTES) return true;
    const all = [...this.#again, ...this.#line];
    if (all[0] === entry && !isBusy()) return true;
    const underWay = bytesOf(all.filter(({ state }) => state === "loading"));
    return bytesFree() >= 2 * entry.bytes + underWay;
  }

  async #nextEntry(): Promise<Entry | undefined> {
    const { book, openJob, log, onCannotGoOn } = this.#options;
    const claim = book.nextToPrepare("process");
    const index = claim?.prepare();
    if (claim === undefined || index === undefined) return undefined;
    try {
      const job = await openJob(claim.assigned.input);
      const entry = entryOf(newItem(claim, job, index, await job.datum(index)));
      this.#line.push(entry);
      return entry;
    } catch (error) {
      log.error(
        { err: error, claim: claim.assigned.id },
        `cannot read datum ${index} of the plan: ${messageOf(error)}`,
      );
      if (claim.holds(index)) onCannotGoOn(claim);
      return undefined;
    }
  }

  async #load(entry: Entry): Promise<void> {
    const { clock, folders, onReady } = this.#options;
    const { item } = entry;
    entry.state = "loading";
    this.#loads++;
    const began = clock.now();
    const done = await this.#preparing.prepare(item, entry.files);
    this.#loads--;
    item.cost.downloadMs = clock.now() - began;
    this.#bell.ring();
    if (!isWanted(item)) return this.#drop(entry);
    if (done.kind === "ready") {
      entry.state = "ready";
      item.cost.downloadBytes = done.bytes;
      entry.bytes = done.bytes;
      this.#skip();
      return onReady();
    }
    entry.state = "waiting";
    removeFolder(item, folders);
    this.#cannotDownload(entry, done);
  }

  #cannotDownload(entry: Entry, why: Exclude<Downloaded, { kind: "ready" }>): void {
    const { log, onImpossible, onCannotGoOn } = this.#options;
    const { item } = entry;
    if (why.kind === "impossible") {
      this.#remove(entry);
      return onImpossible(item, why.failure);
    }
    const isHere = why.kind === "no-scratch";
    const what = isHere ? "the scratch folder cannot take a datum" : "the store does not answer";
    log.error({ job: item.claim.assigned.job, index: item.index }, `${what}: ${why.detail}`);
    if (isHere && !this.#makeRoom(entry) && item.index >= item.claim.next) {
      this.#remove(entry);
      return onCannotGoOn(item.claim);
    }
    this.#rest();
  }

  /** Whether there is, or will be, more room for the datum: what is ready before it is used up first, what is ready behind it goes. */
  #makeRoom(entry: Entry): boolean {
    const all = [...this.#again, ...this.#line];
    const others = all.filter((other) => other !== entry && other.state !== "waiting");
    for (const other of all.slice(all.indexOf(entry) + 1)) {
      if (other.state !== "ready") continue;
      other.state = "waiting";
      removeFolder(other.item, this.#options.folders);
    }
    return others.length > 0;
  }

  /** Downloads nothing for a while: the next datum would fare no better. */
  #rest(): void {
    this.#resting?.cancel();
    this.#resting = this.#options.clock.timer(AWAY_WAIT_MS, () => {
      this.#resting = undefined;
      this.#bell.ring();
    });
  }

  #drop(entry: Entry): void {
    this.#remove(entry);
    removeFolder(entry.item, this.#options.folders);
  }

  #remove(entry: Entry): void {
    for (const list of [this.#again, this.#line]) {
      const at = list.indexOf(entry);
      if (at >= 0) list.splice(at, 1);
    }
  }
}

function bytesOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { bytes }) => sum + bytes, 0);
}

function entryOf(item: Item): Entry {
  const files = inputFiles(item.datum, item.job.modes);
  const bytes = files.reduce((sum, { entry, mode }) => sum + (mode === "content" ? Number(entry.size) : 0), 0);
  return { item, files, bytes, state: "waiting" };
}
