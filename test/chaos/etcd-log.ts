// Writes down every change under /sheaf/, from the first revision on. Its connection goes past the proxies, and history is
// compacted only up to what it has seen. The checker verifies that its revisions have no gap: that is also a test of our watch.

import type { Etcd, KeyValue, Revision, Watch, WatchEvent } from "@sheaf/etcd";
import type { Journal } from "./journal.ts";

/** One change of one key. Revisions and leases are decimal; `value` is base64. */
export interface EtcdEntry {
  readonly ns: number;
  readonly rev: number;
  readonly put?: string;
  readonly delete?: string;
  readonly value?: string;
  readonly create?: number;
  readonly version?: number;
  readonly lease?: string;
  /** Where the log begins: what was there, as puts of this revision. Again later: events were lost. */
  readonly snapshot?: number;
}

export class EtcdLog {
  readonly #journal: Journal;
  readonly #watch: Watch;
  #seen: Revision = 0n;

  constructor(etcd: Etcd, journal: Journal) {
    this.#journal = journal;
    this.#watch = etcd.watch("/sheaf/", {
      snapshot: (kvs, revision) => this.#snapshot(kvs, revision),
      events: (events, revision) => this.#events(events, revision),
    });
  }

  /** Up to where it has seen everything. */
  get seen(): Revision {
    return this.#seen;
  }

  get ready(): Promise<void> {
    return this.#watch.ready;
  }

  async close(): Promise<void> {
    await this.#watch.close();
    this.#journal.close();
  }

  #snapshot(kvs: readonly KeyValue[], revision: Revision): void {
    this.#journal.write({ rev: Number(revision), snapshot: kvs.length });
    for (const kv of kvs) this.#journal.write({ rev: Number(revision), ...putOf(kv) });
    this.#seen = revision;
  }

  #events(events: readonly WatchEvent[], revision: Revision): void {
    for (const event of events) {
      if (event.type === "put") this.#journal.write({ rev: Number(event.kv.modRevision), ...putOf(event.kv) });
      else this.#journal.write({ rev: Number(event.modRevision), delete: event.key });
    }
    this.#seen = revision;
  }
}

function putOf(kv: KeyValue) {
  return {
    put: kv.key,
    value: Buffer.from(kv.value).toString("base64"),
    create: Number(kv.createRevision),
    version: Number(kv.version),
    ...(kv.lease !== "0" && { lease: kv.lease }),
  };
}
