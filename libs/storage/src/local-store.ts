/**
 * A store in a folder of this machine (or of a network file system that has hard links).
 *
 *   <dir>/<key>      objects: read-only files
 *   <dir>/.tmp/...   files being written; what a killed writer left is removed an hour later, when a store is opened
 *
 * A put writes a file in .tmp, makes its bytes durable, links it to its name (which fails when the name exists, so that
 * one of several writers wins, and a reader sees the whole object or none), and makes the name durable.
 *
 * Small reads are synchronous: through the thread pool they cost twice as much. Whatever changes the disk is not: one that is busy
 * keeps a write waiting for seconds, and a service has to answer meanwhile.
 */
import { accessSync, constants, mkdirSync, statSync } from "node:fs";
import { link, mkdir, open, rename, rm, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Clock, type Random, systemClock, systemRandom } from "@sheaf/runtime";
import { FolderSync } from "./folder-sync.ts";
import { localFailure, objectMissing, storeAway } from "./local-failure.ts";
import { listFolder } from "./local-list.ts";
import { OpenFileCache } from "./open-file-cache.ts";
import { readAhead } from "./read-ahead.ts";
import { type ByteRange, checkKey, type ObjectInfo, type ObjectSource, type PutResult, type Store } from "./store.ts";
import { removeLeftovers, SourceFailure, writeTemp } from "./temp-files.ts";

export interface LocalStoreOptions {
  /** Names files that are being written. */
  readonly random?: Random;
  /** Tells the age of what killed writers left. */
  readonly clock?: Clock;
  /** There are objects in it: a folder that is not there, or is no store, is not made into one but refused as away. */
  readonly mustExist?: boolean;
}

const OPEN_FILES_MAX = 64;
/** Longer reads go through the thread pool, so that they do not hold up the event loop. */
const SYNC_READ_BYTES = 256 * 1024;
/** File systems without hard links answer with one of these. */
const NO_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

/** Opens the store in `dir`, and creates the folder when it is missing. Throws STORE_NOT_WRITABLE, STORE_FULL or STORE_UNAVAILABLE. */
export function localStore(dir: string, options: LocalStoreOptions = {}): Store {
  const { random = systemRandom, clock = systemClock, mustExist = false } = options;
  const folder = resolve(dir);
  if (mustExist) mustBeThere(folder, "open the store");
  try {
    const temp = join(folder, ".tmp");
    // What is made here is for its owner alone: commands may run on this machine as other users.
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    mkdirSync(temp, { recursive: true });
    accessSync(temp, constants.W_OK | constants.X_OK);
    removeLeftovers(temp, clock.wall());
  } catch (error) {
    throw localFailure(error, folder, "open it");
  }
  return new LocalStore(folder, random);
}

class LocalStore implements Store {
  readonly url: string;
  readonly near = true;
  readonly #dir: string;
  readonly #random: Random;
  readonly #files = new OpenFileCache(OPEN_FILES_MAX);
  readonly #syncs = new Map<string, FolderSync>();

  constructor(dir: string, random: Random) {
    this.#dir = dir;
    this.#random = random;
    this.url = pathToFileURL(dir).href;
  }

  async put(key: string, source: ObjectSource): Promise<PutResult> {
    const path = this.#path(key);
    try {
      if (!isThere(path)) return await this.#write(path, source);
      // Whoever made it may not have come to this yet.
      await this.#sync(dirname(path));
      return "exists";
    } catch (error) {
      if (error instanceof SourceFailure) throw error.thrown;
      if ((error as NodeJS.ErrnoException).code === "ENOENT") mustBeThere(this.#dir, `store ${key}`);
      throw localFailure(error, this.#dir, `store ${key}`);
    }
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array> {
    const path = this.#path(key);
    return this.#reading(key, async () => {
      const size = this.#files.size(path);
      const offset = range?.offset ?? 0;
      const length = Math.max(0, Math.min(range?.length ?? size, size - offset));
      return length <= SYNC_READ_BYTES ? this.#files.read(path, offset, length) : readLong(path, offset, length);
    });
  }

  async *stream(key: string, range?: ByteRange): AsyncGenerator<Uint8Array, void, void> {
    const path = this.#path(key);
    const size = await this.#reading(key, async () => this.#files.size(path));
    const { offset, length } = range ?? { offset: 0, length: size };
    const end = Math.min(offset + length, size);
    if (offset >= end) return;
    const pieces = readAhead(path, offset, end);
    try {
      for (;;) {
        const { done, value } = await this.#reading(key, () => pieces.next());
        if (done) return;
        yield value;
      }
    } finally {
      await pieces.return();
    }
  }

  async head(key: string): Promise<{ readonly size: number } | null> {
    const stat = statSync(this.#path(key), { throwIfNoEntry: false });
    if (stat === undefined) mustBeThere(this.#dir, `look for ${key}`);
    return stat?.isFile() ? { size: stat.size } : null;
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo, void, void> {
    try {
      yield* listFolder(this.#dir, prefix);
    } catch (error) {
      throw localFailure(error, this.#dir, `list ${prefix}`);
    }
  }

  async delete(key: string): Promise<boolean> {
    const path = this.#path(key);
    this.#files.drop(path);
    if (!isThere(path)) return false;
    try {
      await unlink(path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw localFailure(error, this.#dir, `delete ${key}`);
    }
  }

  localPath(key: string): string | null {
    return this.#path(key);
  }

  async close(): Promise<void> {
    this.#files.close();
    const syncs = [...this.#syncs.values()];
    this.#syncs.clear();
    await Promise.all(syncs.map((sync) => sync.close()));
  }

  #path(key: string): string {
    checkKey(key);
    return `${this.#dir}/${key}`;
  }

  async #write(path: string, source: ObjectSource): Promise<PutResult> {
    const folder = dirname(path);
    const temp = await writeTemp(join(this.#dir, ".tmp"), this.#random, source);
    const remove = () => rm(temp, { force: true });
    try {
      await this.#makeFolder(folder);
      const result = await giveName(temp, path);
      await Promise.all([this.#sync(folder), remove()]);
      return result;
    } catch (error) {
      await remove();
      throw error;
    }
  }

  /** A kind's folder, made with its first object; its own name has to be durable as well. */
  async #makeFolder(folder: string): Promise<void> {
    if (this.#syncs.has(folder) || (await mkdir(folder, { recursive: true })) === undefined) return;
    for (let made = folder; made !== this.#dir; made = dirname(made)) await this.#sync(dirname(made));
  }

  #sync(folder: string): Promise<void> {
    let sync = this.#syncs.get(folder);
    if (sync === undefined) {
      sync = new FolderSync(folder);
      this.#syncs.set(folder, sync);
    }
    return sync.sync();
  }

  async #reading<T>(key: string, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      const errno = (error as NodeJS.ErrnoException).code;
      if (errno === "ENOENT") mustBeThere(this.#dir, `read ${key}`);
      if (errno === "ENOENT" || errno === "ENOTDIR" || errno === "EISDIR") throw objectMissing(this.#dir, key);
      throw localFailure(error, this.#dir, `read ${key}`);
    }
  }
}

/** Nothing is lost in a folder that is not mounted, or was moved away: its objects are where it is. */
function mustBeThere(dir: string, doing: string): void {
  if (statSync(join(dir, ".tmp"), { throwIfNoEntry: false }) === undefined) throw storeAway(dir, doing);
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** Gives the finished file its name, unless the name is taken. */
async function giveName(temp: string, path: string): Promise<PutResult> {
  try {
    await link(temp, path);
    return "created";
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code ?? "";
    if (errno === "EEXIST") return "exists";
    if (!NO_LINKS.has(errno)) throw error;
    // Replaces what a racing writer may just have named: the same bytes, since the name is their hash.
    await rename(temp, path);
    return "created";
  }
}

async function readLong(path: string, offset: number, length: number): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0) return bytes.subarray(0, done);
      done += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}
