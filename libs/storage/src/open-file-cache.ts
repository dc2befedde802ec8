/**
 * Files that were read lately, kept open: a read of a few hundred bytes from a pack then costs one system call instead of
 * four. Used from synchronous code only, so that no file is closed under a reader.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

interface OpenFile {
  readonly fd: number;
  readonly size: number;
}

export class OpenFileCache {
  readonly #limit: number;
  /** In order of last use. */
  readonly #files = new Map<string, OpenFile>();

  /** Keeps at most `limit` files open. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  size(path: string): number {
    return this.#open(path).size;
  }

  /** At most `length` bytes at `offset`: fewer at the end of the file. */
  read(path: string, offset: number, length: number): Uint8Array {
    const { fd, size } = this.#open(path);
    const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
    let done = 0;
    while (done < bytes.length) {
      const got = readSync(fd, bytes, done, bytes.length - done, offset + done);
      if (got === 0) return bytes.subarray(0, done);
      done += got;
    }
    return bytes;
  }

  drop(path: string): void {
    const file = this.#files.get(path);
    if (file === undefined) return;
    this.#files.delete(path);
    closeSync(file.fd);
  }

  close(): void {
    for (const path of [...this.#files.keys()]) this.drop(path);
  }

  #open(path: string): OpenFile {
    let file = this.#files.get(path);
    if (file === undefined) {
      if (this.#files.size >= this.#limit) this.#dropOldest();
      const fd = openSync(path, "r");
      file = { fd, size: fstatSync(fd).size };
    } else {
      this.#files.delete(path);
    }
    this.#files.set(path, file);
    return file;
  }

  #dropOldest(): void {
    for (const path of this.#files.keys()) return this.drop(path);
  }
}
