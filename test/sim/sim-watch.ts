import type { Listed, Revision, Watch, WatchHandler } from "@sheaf/etcd";
import type { SimEtcdServer } from "./etcd-server.ts";
import type { Faults } from "./faults.ts";
import type { Process } from "./process.ts";

interface WatchParts {
  readonly server: SimEtcdServer;
  readonly faults: Faults;
  readonly process: Process;
  readonly list: () => Promise<Listed>;
  readonly way: () => number;
}

/** Pause before a list or a stream that failed is tried again. */
const AGAIN_MS = 100;

/** A watch as a client sees it: a snapshot, then whole revisions; after a cut from where it was, or a new snapshot when that is compacted. */
export class SimWatch implements Watch {
  readonly ready: Promise<void>;
  readonly #prefix: string;
  readonly #handler: WatchHandler;
  readonly #parts: WatchParts;
  readonly #isReady = Promise.withResolvers<void>();
  readonly #wake = () => this.#deliverSoon();
  #bookmark: Revision = 0n;
  #closed = false;
  /** A delivery is on its way. */
  #coming = false;

  constructor(prefix: string, handler: WatchHandler, parts: WatchParts) {
    this.#prefix = prefix;
    this.#handler = handler;
    this.#parts = parts;
    this.ready = this.#isReady.promise;
    this.ready.catch(() => {});
    parts.process.onEnd(() => this.#leave());
    void this.#begin();
  }

  async close(): Promise<void> {
    this.#leave();
    this.#isReady.reject(new Error("the watch was closed"));
  }

  #leave(): void {
    this.#closed = true;
    this.#parts.server.watchers.delete(this.#wake);
  }

  async #begin(): Promise<void> {
    const { kvs, revision } = await this.#snapshot();
    if (this.#closed) return;
    this.#bookmark = revision;
    this.#handler.snapshot(kvs, revision);
    this.#isReady.resolve();
    this.#parts.server.watchers.add(this.#wake);
    this.#deliverSoon();
  }

  async #snapshot(): Promise<Listed> {
    for (;;) {
      try {
        return await this.#parts.list();
      } catch {
        await this.#parts.process.clock.sleep(AGAIN_MS); // etcd does not answer
      }
    }
  }

  #deliverSoon(): void {
    const { faults, process, way, server } = this.#parts;
    if (this.#coming || this.#closed || server.model.revision === this.#bookmark) return;
    this.#coming = true;
    const ms = faults.strikes("watch-cut", 2) ? faults.between(AGAIN_MS, 5_000) : way();
    process.after(ms, () => this.#deliver());
  }

  #deliver(): void {
    this.#coming = false;
    if (this.#closed) return;
    const { model } = this.#parts.server;
    const events = model.eventsFrom(this.#prefix, this.#bookmark + 1n);
    if (events === null) {
      this.#parts.server.watchers.delete(this.#wake);
      return void this.#begin();
    }
    this.#bookmark = model.revision;
    if (events.length > 0) this.#handler.events(events, this.#bookmark);
    this.#deliverSoon();
  }
}
