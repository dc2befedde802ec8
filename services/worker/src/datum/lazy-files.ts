/**
 * Lazy inputs: every file is a FIFO, and its bytes are fetched when the command opens it. What is not opened costs nothing.
 *
 * A FIFO can be opened for writing, without waiting, only while somebody has it open for reading: so it is tried again and again, a
 * few at a time (Z1), until somebody has. Then
 *
 * Z1. a tick tries at most TRIES_MAX files, those after the one opened last first (most commands go through their files in order),
 *     and rests ten times as long as that took;
 * Z2. another FIFO takes its place at once, so that whoever opens the name again gets the file from its begin, and not what is left
 *     for the first reader. Two that open one name at the very same time share one stream: a command must not do that;
 * Z3. bytes are handed out when their segment was verified. A large segment waits on disk, not in memory, while the command reads:
 *     it may have thousands of files open and read them by turns. A reader that goes away ends its feed, and nothing else;
 * Z4. when bytes cannot be had, the reader is left waiting: an end of file would pass for the end of the content. Whoever runs the
 *     command is told, and kills it.
 *
 * Memory: FETCHES_MAX segments of 16 MiB, and 64 KiB for each file that is open.
 */
import { execFileSync } from "node:child_process";
import { closeSync, constants, fstatSync, mkdirSync, openSync, readSync, renameSync, unlinkSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { type SegmentReader, writeAll } from "@sheaf/files";
import type { store } from "@sheaf/proto";
import { type Clock, Semaphore, type Timer } from "@sheaf/runtime";

/** In a datum. */
export const LAZY_FILES_MAX = 10_000;
const TRIES_MAX = 64;
const TICK_MS = 5;
const REST = 10;
const FETCHES_MAX = 2;
/** As much as a pipe holds. */
const PIECE_BYTES = 64 * 1024;
const POOL_COUNT = 256;

/** FIFOs, made many at a time: one by one, each would cost the start of a process (L10). */
export class FifoPool {
  readonly #folder: string;
  readonly #own: string;
  readonly #free: string[] = [];
  #count = 0;

  /** `folder`: on the disk of the datums. `own`: where no command can get. */
  constructor(folder: string, own: string) {
    this.#folder = folder;
    this.#own = own;
    for (const each of [folder, own]) mkdirSync(each, { recursive: true });
  }

  /** Puts a new FIFO at the path, in the place of what is there. */
  place(path: string): void {
    if (this.#free.length === 0) this.#make();
    renameSync(this.#free.pop() as string, path);
  }

  /** A new file that has no name any more. */
  openNameless(): number {
    const path = join(this.#own, `file-${this.#count++}`);
    const fd = openSync(path, "wx+", 0o600);
    unlinkSync(path);
    return fd;
  }

  #make(): void {
    const made = Array.from({ length: POOL_COUNT }, () => join(this.#folder, `fifo-${this.#count++}`));
    execFileSync("mkfifo", ["-m", "444", ...made], { stdio: ["ignore", "ignore", "pipe"] });
    this.#free.push(...made);
  }
}

export interface LazyFile {
  /** Where its FIFO is. */
  readonly path: string;
  readonly entry: store.FileEntry;
}

export interface LazyOptions {
  readonly files: readonly LazyFile[];
  readonly reader: SegmentReader;
  readonly fifos: FifoPool;
  readonly clock: Clock;
  /** A file's bytes cannot be had (Z4). At most once. */
  readonly onTrouble: (error: unknown) => void;
}

const fetches = new Semaphore(FETCHES_MAX);

/** The lazy files of one run of a command. */
export class LazyFiles {
  readonly #options: LazyOptions;
  /** Undefined: the command has removed it, or put something else in its place. */
  readonly #files: (LazyFile | undefined)[];
  readonly #feeds = new Set<Socket>();
  #lastOpened = 0;
  #next = 0;
  #tick: Timer | undefined;
  #trouble: { readonly error: unknown } | undefined;
  #isClosed = false;

  constructor(options: LazyOptions) {
    this.#options = options;
    this.#files = [...options.files];
  }

  /** The command has begun. */
  open(): void {
    this.#isClosed = false;
    this.#wait(TICK_MS);
  }

  /** The command has ended. Returns what kept it from its bytes, if anything did: then its outcome means nothing. */
  close(): { readonly error: unknown } | undefined {
    this.#isClosed = true;
    this.#tick?.cancel();
    for (const feed of this.#feeds) feed.destroy();
    this.#feeds.clear();
    return this.#trouble;
  }

  #wait(ms: number): void {
    this.#tick = this.#options.clock.timer(ms, () => this.#look());
  }

  /** Z1. */
  #look(): void {
    const { clock } = this.#options;
    const began = clock.now();
    const tries = Math.min(TRIES_MAX, this.#files.length);
    try {
      for (let i = 0; i < tries / 2; i++) this.#try((this.#lastOpened + i) % this.#files.length);
      for (let i = 0; i < tries / 2; i++) this.#try(this.#next++ % this.#files.length);
    } catch (error) {
      return this.#fail(error);
    }
    this.#wait(Math.max(TICK_MS, REST * (clock.now() - began)));
  }

  #try(index: number): void {
    const file = this.#files[index];
    if (file === undefined) return;
    const fd = openForReader(file.path);
    if (fd === "nobody") return;
    if (fd === "gone") {
      this.#files[index] = undefined;
      return;
    }
    this.#options.fifos.place(file.path); // Z2
    this.#lastOpened = index;
    void this.#feed(fd, file.entry).catch((error: unknown) => this.#fail(error));
  }

  async #feed(fd: number, entry: store.FileEntry): Promise<void> {
    const socket = new Socket({ fd, readable: false, writable: true });
    this.#feeds.add(socket);
    const over = new Promise<void>((resolve) => socket.on("close", () => resolve()));
    socket.on("error", () => {}); // Its reader is gone.
    for (const segment of entry.segments) {
      if (socket.destroyed) break;
      const bytes = await this.#fetch(segment);
      try {
        for (const piece of piecesOf(bytes)) {
          if (socket.destroyed) break;
          if (!socket.write(piece)) await Promise.race([over, new Promise((resolve) => socket.once("drain", resolve))]);
        }
      } finally {
        if (typeof bytes === "number") closeSync(bytes);
      }
    }
    socket.end();
    await over;
    this.#feeds.delete(socket);
  }

  /** Z3. A verified segment: in memory when it is small, else a file. */
  #fetch(segment: store.Segment): Promise<Uint8Array | number> {
    const { reader, fifos } = this.#options;
    return fetches.with(1, async () => {
      let fd: number | undefined;
      for await (const bytes of reader.lend([segment])) {
        if (bytes.length <= PIECE_BYTES) return bytes;
        fd = fifos.openNameless();
        writeAll(fd, bytes);
      }
      return fd ?? new Uint8Array();
    });
  }

  /** Z4. */
  #fail(error: unknown): void {
    if (this.#isClosed || this.#trouble !== undefined) return;
    this.#trouble = { error };
    this.#tick?.cancel();
    this.#options.onTrouble(error);
  }
}

/** A descriptor to feed whoever has the FIFO open; nobody has; or there is no FIFO of ours any more. */
function openForReader(path: string): number | "nobody" | "gone" {
  let fd: number;
  try {
    fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    if (code === "ENXIO") return "nobody";
    if (code === "EMFILE" || code === "ENFILE") throw error;
    return "gone";
  }
  if (fstatSync(fd).isFIFO()) return fd;
  closeSync(fd);
  return "gone";
}

function* piecesOf(source: Uint8Array | number): Generator<Uint8Array, void, void> {
  if (typeof source !== "number") {
    if (source.length > 0) yield source;
    return;
  }
  for (let at = 0; ; ) {
    const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
    const got = readSync(source, piece, 0, PIECE_BYTES, at);
    if (got === 0) return;
    yield piece.subarray(0, got);
    at += got;
  }
}
