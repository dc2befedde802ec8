// The packs that outputs and logs go into.

import { PackWriter } from "@sheaf/files";
import type { Store } from "@sheaf/storage";

/**
 * One writer is open; a cut seals it and opens the next, so that what is being stored never keeps the next datums waiting. A
 * run may name packs of earlier writers as well (datums that ended before their turn), so a seal waits for all of them.
 */
export class Packs {
  readonly #store: Store;
  #open: PackWriter;
  #sealed: Promise<void> = Promise.resolve();

  constructor(target: Store) {
    this.#store = target;
    this.#open = new PackWriter(target);
  }

  get writer(): PackWriter {
    return this.#open;
  }

  /** Resolves when all that was written so far is durable. To be called between files. */
  seal(): Promise<void> {
    const before = this.#sealed;
    const writer = this.#open;
    this.#open = new PackWriter(this.#store);
    const closed = writer.close();
    // An earlier failure was told to those who waited for it.
    this.#sealed = Promise.all([before, closed]).then(() => {});
    this.#sealed.catch(() => {});
    return this.#sealed;
  }
}
