// A copy of all records under one prefix of etcd, kept by a watch: for reads, for lists and to notice what changed. It may lag:
// what decides is a transaction that compares.

import type { Message } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import type { Etcd, KeyValue, Revision, Watch, WatchEvent } from "@sheaf/etcd";
import { type Kept, readRecord } from "@sheaf/ledger";
import type { Component, Logger } from "@sheaf/runtime";
import { Topic } from "../topic.ts";

export interface MirrorOptions<R extends Message & { version: number }> {
  readonly etcd: Etcd;
  readonly prefix: string;
  readonly schema: GenMessage<R>;
  readonly log: Logger;
}

/** Called after each change; `kept` is undefined when the key was deleted. Must not throw. */
export type OnChange<R> = (key: string, kept: Kept<R> | undefined) => void;

export class Mirror<R extends Message & { version: number }> implements Component {
  /** By key: its record has changed. */
  readonly changes = new Topic();
  readonly #options: MirrorOptions<R>;
  readonly #records = new Map<string, Kept<R>>();
  readonly #listeners: OnChange<R>[] = [];
  #revision: Revision = 0n;
  #watch: Watch | undefined;

  constructor(options: MirrorOptions<R>) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { etcd, prefix } = this.#options;
    this.#watch = etcd.watch(
      prefix,
      {
        snapshot: (kvs, revision) => this.#replace(kvs, revision),
        events: (events, revision) => this.#apply(events, revision),
      },
      { name: `mirror of ${prefix}` },
    );
    await this.#watch.ready;
  }

  async stop(): Promise<void> {
    await this.#watch?.close();
  }

  get(key: string): Kept<R> | undefined {
    return this.#records.get(key);
  }

  get size(): number {
    return this.#records.size;
  }

  /** In no order. */
  values(): MapIterator<Kept<R>> {
    return this.#records.values();
  }

  /** All later changes; those so far are in `values`. */
  onChange(listener: OnChange<R>): void {
    this.#listeners.push(listener);
  }

  /** Takes in what this process has just written, so that nobody here waits for the watch to tell it. */
  learn(kept: Kept<R>): void {
    // At or below the revision of the mirror it has been seen already, or deleted since.
    if (kept.modRevision > this.#revision) this.#set(kept);
  }

  /** Reads one record anew: the truth now, not what the watch has told so far. */
  async refresh(key: string): Promise<Kept<R> | undefined> {
    const kv = await this.#options.etcd.get(key);
    if (kv !== null) this.learn(readRecord(this.#options.schema, kv));
    return kv === null ? undefined : this.get(key);
  }

  #replace(kvs: readonly KeyValue[], revision: Revision): void {
    const listed = new Set(kvs.map(({ key }) => key));
    // What the snapshot does not list does not exist.
    for (const key of [...this.#records.keys()]) if (!listed.has(key)) this.#remove(key, revision);
    for (const kv of kvs) this.#take(kv);
    this.#revision = revision;
  }

  #apply(events: readonly WatchEvent[], revision: Revision): void {
    for (const event of events) {
      if (event.type === "put") this.#take(event.kv);
      else this.#remove(event.key, event.modRevision);
    }
    this.#revision = revision;
  }

  #take(kv: KeyValue): void {
    try {
      this.#set(readRecord(this.#options.schema, kv));
    } catch (error) {
      // One record that cannot be read must not take the others with it.
      this.#options.log.error({ err: error, key: kv.key }, "a record in etcd cannot be read: left out");
    }
  }

  #set(kept: Kept<R>): void {
    const known = this.#records.get(kept.key);
    if (known !== undefined && known.modRevision >= kept.modRevision) return;
    this.#records.set(kept.key, kept);
    this.#tell(kept.key, kept);
  }

  #remove(key: string, revision: Revision): void {
    const known = this.#records.get(key);
    // A record that was learned is newer than the event.
    if (known === undefined || known.modRevision > revision) return;
    this.#records.delete(key);
    this.#tell(key, undefined);
  }

  #tell(key: string, kept: Kept<R> | undefined): void {
    for (const listener of this.#listeners) listener(key, kept);
    this.changes.changed(key);
  }
}
