/**
 * Keeps windows of objects that were read lately, because a read from afar costs the same for 1 KiB and for 512 KiB, and
 * what is read next mostly lies beside it. Objects never change, so nothing here goes stale.
 */
import type { Store } from "@sheaf/storage";
import { Recent } from "../recent.ts";

const WINDOW_BYTES = 512 * 1024;

export class RangeCache {
  readonly #store: Store;
  readonly #windows: Recent<string, Uint8Array>;

  /** Holds at most `limitBytes`, and at least one window of 512 KiB. */
  constructor(store: Store, limitBytes: number) {
    this.#store = store;
    this.#windows = new Recent(Math.max(1, Math.floor(limitBytes / WINDOW_BYTES)));
  }

  async get(key: string, offset: number, length: number): Promise<Uint8Array> {
    const first = Math.floor(offset / WINDOW_BYTES);
    const last = Math.floor((offset + length - 1) / WINDOW_BYTES);
    if (length === 0 || last - first > 1) return this.#store.get(key, { offset, length });
    const at = offset - first * WINDOW_BYTES;
    const window = await this.#window(key, first);
    if (first === last) return window.subarray(at, at + length);
    const rest = await this.#window(key, last);
    return Buffer.concat([window.subarray(at), rest.subarray(0, at + length - WINDOW_BYTES)]);
  }

  #window(key: string, index: number): Promise<Uint8Array> {
    const range = { offset: index * WINDOW_BYTES, length: WINDOW_BYTES };
    return this.#windows.get(`${key}#${index}`, () => this.#store.get(key, range));
  }
}
