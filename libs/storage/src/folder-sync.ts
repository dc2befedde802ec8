/**
 * Makes the names in a folder durable. A new name survives a crash only after an fsync of its folder, which costs as much
 * as an fsync of the file. Puts that end together share one: whoever asks while an fsync runs waits for the next, because
 * the running one may have begun before its name was there.
 */
import { type FileHandle, open } from "node:fs/promises";

/** Some file systems cannot sync a folder, and keep names safe in other ways. */
const CANNOT = new Set(["EINVAL", "ENOTSUP", "EOPNOTSUPP", "EISDIR", "EBADF"]);

export class FolderSync {
  readonly #path: string;
  #handle: Promise<FileHandle> | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Resolves when every name that was in the folder at the time of the call is durable. */
  sync(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    // A failure of the running one belongs to those who waited for it.
    this.#next ??= this.#running.catch(() => undefined).then(() => this.#start());
    return this.#next;
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await (await handle?.catch(() => undefined))?.close();
  }

  #start(): Promise<void> {
    this.#next = undefined;
    this.#running = this.#fsync().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #fsync(): Promise<void> {
    this.#handle ??= open(this.#path, "r");
    try {
      await (await this.#handle).sync();
    } catch (error) {
      const handle = this.#handle;
      this.#handle = undefined;
      await (await handle.catch(() => undefined))?.close().catch(() => undefined);
      if (!CANNOT.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
}
