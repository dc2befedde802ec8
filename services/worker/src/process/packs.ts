// The packs that outputs and logs go into.

import { PackWriter } from "@sheaf/files";
import type { Store } from "@sheaf/storage";

const SEALED_BYTES_MAX = 64 * 1024 * 1024;

/**
 * One writer is open; a cut seals it and opens the next, so that what is being stored never keeps the next datums waiting. A
 * run may name packs of earlier writers as well (datums that ended before their turn), so a seal waits for all of them.
 *
 * Memory: what is sealed and not stored yet, SEALED_BYTES_MAX and one writer; and the open writer; if `ready` is awaited between files.
 */
export class Packs {
  readonly #store: Store;
  #open: PackWriter;
  #sealed: Promise<void> = Promise.resolve();
  #sealedBytes = 0;

  constructor(target: Store) {
    this.#store = target;
    this.#open = new PackWriter(target);
  }

  get writer(): PackWriter {
    return this.#open;
  }

  /** Waits until more may be written. Rejects when a pack could not be stored. */
  async ready(): Promise<void> {
    if (this.#sealedBytes > SEALED_BYTES_MAX) await this.#sealed;
    await this.#open.ready();
  }

  /** Resolves when all that was written so far is durable. To be called between files. */
  seal(): Promise<void> {
    const before = this.#sealed;
    const writer = this.#open;
    this.#open = new PackWriter(this.#store);
    const { bytes } = writer;
    this.#sealedBytes += bytes;
    const closed = writer.close().finally(() => {
      this.#sealedBytes -= bytes;
    });
    // An earlier failure was told to those who waited for it.
    this.#sealed = Promise.all([before, closed]).then(() => {});
    this.#sealed.catch(() => {});
    return this.#sealed;
  }
}
