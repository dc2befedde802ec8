/** Cuts what is to be stored into parts of one size. */
import type { ObjectSource } from "../store.ts";

export interface Part {
  readonly bytes: Uint8Array;
  /** Nothing comes after it. */
  readonly last: boolean;
}

/** One part at a time is in memory here; a part that is within one piece of what the caller keeps is not copied. */
export class PartCutter {
  /** A stream may use a piece's memory again for the next. */
  readonly #isStream: boolean;
  readonly #pieces: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  /** The next piece, less what was taken of it. Null: there is none. */
  #rest: Uint8Array | null | undefined;

  constructor(source: ObjectSource) {
    this.#isStream = Symbol.asyncIterator in source;
    if (source instanceof Uint8Array) this.#pieces = [source][Symbol.iterator]();
    else this.#pieces = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  /** The next `size` bytes, or what there is. Throws what the source throws. */
  async take(size: number): Promise<Part> {
    const first = await this.#next();
    if (first === null) return { bytes: new Uint8Array(), last: true };
    if (first.length >= size && !this.#isStream) {
      this.#rest = first.subarray(size);
      return { bytes: first.subarray(0, size), last: (await this.#next()) === null };
    }
    const bytes = Buffer.allocUnsafeSlow(size);
    let done = 0;
    for (let piece: Uint8Array | null = first; piece !== null && done < size; piece = await this.#next()) {
      const taken = piece.subarray(0, size - done);
      bytes.set(taken, done);
      done += taken.length;
      this.#rest = piece.subarray(taken.length);
    }
    return { bytes: bytes.subarray(0, done), last: (await this.#next()) === null };
  }

  /** Tells the source that no more is wanted. */
  async stop(): Promise<void> {
    await this.#pieces.return?.();
  }

  async #next(): Promise<Uint8Array | null> {
    while (this.#rest !== null && (this.#rest === undefined || this.#rest.length === 0)) {
      const { done, value } = await this.#pieces.next();
      this.#rest = done ? null : value;
    }
    return this.#rest;
  }
}
