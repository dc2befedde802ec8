/**
 * Files that are read again when they change: certificates, keys, tokens. They are read whole every two seconds, because what
 * mounts secrets swaps links, which no watch of a file notices. What cannot be used leaves the value as it was.
 */
import { readFile } from "node:fs/promises";
import type { Clock, Timer } from "./clock.ts";
import { failedPrecondition, messageOf } from "./errors.ts";
import type { Component } from "./lifecycle.ts";
import type { Logger } from "./log.ts";

/** A change holds within this and a moment. */
const LOOK_MS = 2_000;
/** Secrets are small; what is not is the wrong file. */
const BYTES_MAX = 1024 * 1024;

export interface KeptFilesOptions<T> {
  /** In the log: "the TLS certificate". */
  readonly what: string;
  readonly paths: readonly string[];
  /**
   * The value of the contents; `undefined` for a file that is not there (it is then up to `parse` to throw). Throws what is wrong, and
   * never with a part of the contents in it.
   */
  readonly parse: (contents: readonly (Buffer | undefined)[]) => T;
  readonly log: Logger;
  readonly clock: Clock;
}

/** It holds its value from the start, looks for changes between `start` and `stop`. */
export class KeptFiles<T> implements Component {
  readonly #options: KeptFilesOptions<T>;
  readonly #listeners = new Set<(value: T) => void>();
  #contents: readonly (Buffer | undefined)[];
  #value: T;
  #timer: Timer | undefined;
  #stopped = false;

  private constructor(options: KeptFilesOptions<T>, contents: readonly (Buffer | undefined)[], value: T) {
    this.#options = options;
    this.#contents = contents;
    this.#value = value;
  }

  /** Throws what `parse` throws, and FAILED_PRECONDITION for a file that cannot be read. */
  static async open<T>(options: KeptFilesOptions<T>): Promise<KeptFiles<T>> {
    const contents = await Promise.all(options.paths.map(contentOf));
    return new KeptFiles(options, contents, options.parse(contents));
  }

  get value(): T {
    return this.#value;
  }

  /** Calls `fn` with each new value. */
  onChange(fn: (value: T) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  async start(): Promise<void> {
    this.#lookLater();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Looks now. */
  async look(): Promise<void> {
    const { what, paths, parse, log } = this.#options;
    try {
      const contents = await Promise.all(paths.map(contentOf));
      if (contents.every((content, i) => isSame(content, this.#contents[i]))) return;
      // Also when they are of no use: said once, not every two seconds.
      this.#contents = contents;
      this.#value = parse(contents);
    } catch (error) {
      log.error({ err: error }, `${what} changed and cannot be used: the former one stays in use`);
      return;
    }
    log.info({ files: paths }, `${what} changed: the new one is in use`);
    for (const listener of this.#listeners) listener(this.#value);
  }

  #lookLater(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.timer(LOOK_MS, () => void this.look().then(() => this.#lookLater()));
  }
}

async function contentOf(path: string): Promise<Buffer | undefined> {
  try {
    const content = await readFile(path);
    if (content.length <= BYTES_MAX) return content;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw failedPrecondition("FILE_UNREADABLE", `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
  throw failedPrecondition("FILE_TOO_LARGE", `${path} has more than ${BYTES_MAX} bytes: is it the right file?`);
}

function isSame(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}
