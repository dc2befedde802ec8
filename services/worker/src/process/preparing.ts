/**
 * What a datum needs before it can run, in the way that its job wants it: the result of an earlier job in the place of the run
 * (P3 of prefetch.ts), its inputs in a folder, or, for a handler, in memory.
 */
import { type HashThreads, type SegmentReader, segmentReader } from "@sheaf/files";
import { type Clock, type Logger, messageOf, SheafError } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import { type Downloaded, download, whatWentWrong } from "../datum/download.ts";
import type { InputFile } from "../datum/input-modes.ts";
import { type FifoPool, LazyFiles } from "../datum/lazy-files.ts";
import { Serial } from "../engine/serial.ts";
import { canBeHeld, hold } from "../handler/held.ts";
import { DatumFolder, type DatumFolders } from "../scratch/datum-folders.ts";
import type { GivenFolders } from "../scratch/given-folders.ts";
import type { Item } from "./item.ts";
import type { ProcessJob } from "./job.ts";
import { EarlierResults, type Skipped } from "./skipped.ts";

export interface PreparingOptions {
  readonly store: Store;
  readonly folders: DatumFolders;
  readonly given: GivenFolders;
  readonly fifos: FifoPool;
  /** For large inputs. */
  readonly threads: HashThreads;
  readonly clock: Clock;
  readonly log: Logger;
  /** The command waits for the bytes of a lazy file that cannot be had: it must be killed. */
  readonly onUnfed: (item: Item) => void;
}

export class Preparing {
  readonly #options: PreparingOptions;
  readonly #reader: SegmentReader;
  readonly #earlier: EarlierResults;
  readonly #findings = new Serial();
  /** Jobs whose handlers ask where files are. */
  readonly #wantFiles = new WeakSet<ProcessJob>();

  constructor(options: PreparingOptions) {
    this.#options = options;
    this.#reader = segmentReader(options.store, options);
    this.#earlier = new EarlierResults(options.store, this.#reader, options.log);
  }

  /** The handler of the job has asked where files are: it will again, and folders of ours can be used again. */
  wantsFiles(job: ProcessJob): void {
    this.#wantFiles.add(job);
  }

  /** Sets what the item has: `skipped`, `held`, or `folder` and `lazy`. A folder that it has is to be removed by whoever asked. */
  async prepare(item: Item, files: readonly InputFile[]): Promise<Downloaded> {
    const { user, refused } = item.job;
    try {
      item.skipped = await this.#findEarlier(item);
      if (item.skipped !== undefined) return { kind: "ready", bytes: 0 };
    } catch (error) {
      if (!(error instanceof SheafError)) throw error;
      return { kind: "store-away", detail: messageOf(error) };
    }
    if (refused !== undefined) return { kind: "impossible", failure: refused };
    try {
      if (this.#mayHold(item, files)) return await this.#hold(item, files);
      const folder = this.#newFolder(item.job);
      item.folder = folder;
      item.lazy = this.#lazyFiles(item, folder, files);
      const done = await download(files, folder, this.#reader, this.#options.fifos);
      if (user !== undefined && done.kind === "ready") folder.giveTo(user);
      return done;
    } catch (error) {
      return whatWentWrong(error);
    }
  }

  /** Results are read from one place after another: one at a time keeps to that. */
  async #findEarlier({ job, datum }: Item): Promise<Skipped | undefined> {
    if (datum.earlier === undefined) return undefined;
    return this.#findings.run(() => this.#earlier.find(job, datum));
  }

  #newFolder({ user }: ProcessJob): DatumFolder {
    const { folders, given } = this.#options;
    if (user === undefined) return folders.take();
    const { path, seen } = given.reserve();
    return new DatumFolder(path, true, seen);
  }

  #mayHold({ job, spent }: Item, files: readonly InputFile[]): boolean {
    return job.mode.t === "handler" && spent === undefined && !this.#wantFiles.has(job) && canBeHeld(files);
  }

  async #hold(item: Item, files: readonly InputFile[]): Promise<Downloaded> {
    try {
      item.held = await hold(files, this.#options.folders.reserve(), this.#reader);
      return { kind: "ready", bytes: item.held.files.reduce((sum, { bytes }) => sum + bytes.length, 0) };
    } catch (error) {
      return whatWentWrong(error);
    }
  }

  #lazyFiles(item: Item, folder: DatumFolder, files: readonly InputFile[]): LazyFiles | undefined {
    const lazy = files.filter(({ mode }) => mode === "lazy");
    if (lazy.length === 0) return undefined;
    const { clock, fifos, onUnfed } = this.#options;
    return new LazyFiles({
      files: lazy.map(({ path, entry }) => ({ path: `${folder.pfs}/${path}`, entry })),
      reader: this.#reader,
      fifos,
      clock,
      onTrouble: () => onUnfed(item),
    });
  }
}
