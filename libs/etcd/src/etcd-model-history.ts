/** The keys of the etcd model with their history: what stood at a revision, what happened since one, until it is compacted. */
import { outOfRange } from "@sheaf/runtime";
import type { KeyValue, Revision, WatchEvent } from "./etcd.ts";

export class KeyHistory {
  /** What stands now. */
  readonly #now = new Map<string, KeyValue>();
  /** All that happened since `#compacted`, in order. */
  #events: WatchEvent[] = [];
  /** What stood at `#compacted`. */
  #base = new Map<string, KeyValue>();
  #compacted: Revision = 0n;
  #revision: Revision = 1n;

  get revision(): Revision {
    return this.#revision;
  }

  /** The key now. */
  at(key: string): KeyValue | null {
    return this.#now.get(key) ?? null;
  }

  /** The keys of a prefix, in order, now or as they were at `revision`. */
  range(prefix: string, revision: Revision = this.#revision): KeyValue[] {
    const keys = revision === this.#revision ? this.#now : this.#standing(revision);
    const kvs: KeyValue[] = [];
    for (const kv of keys.values()) if (kv.key.startsWith(prefix)) kvs.push(kv);
    return kvs.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  put(key: string, value: Uint8Array, lease: string, revision: Revision): void {
    const old = this.#now.get(key);
    const createRevision = old?.createRevision ?? revision;
    const version = (old?.version ?? 0n) + 1n;
    const kv = { key, value: value.slice(), createRevision, modRevision: revision, version, lease };
    this.#now.set(key, kv);
    this.#happened({ type: "put", kv }, revision);
  }

  delete(key: string, revision: Revision): void {
    if (this.#now.delete(key)) this.#happened({ type: "delete", key, modRevision: revision }, revision);
  }

  /** Events from `from` on that touch the prefix; null: some of them may be forgotten. */
  eventsFrom(prefix: string, from: Revision): WatchEvent[] | null {
    if (from < this.#compacted) return null;
    const found: WatchEvent[] = [];
    for (let i = this.#events.length - 1; i >= 0; i--) {
      const event = this.#events[i] as WatchEvent;
      if (revisionOf(event) < from) break;
      if (keyOf(event).startsWith(prefix)) found.push(event);
    }
    return found.reverse();
  }

  compact(revision: Revision): void {
    if (revision <= this.#compacted || revision > this.#revision) throw this.#gone(revision);
    this.#base = this.#standing(revision);
    this.#events = this.#events.filter((event) => revisionOf(event) >= revision);
    this.#compacted = revision;
  }

  #standing(revision: Revision): Map<string, KeyValue> {
    if (revision < this.#compacted || revision > this.#revision) throw this.#gone(revision);
    const keys = new Map(this.#base);
    for (const event of this.#events) {
      if (revisionOf(event) > revision) break;
      if (event.type === "put") keys.set(event.kv.key, event.kv);
      else keys.delete(event.key);
    }
    return keys;
  }

  #happened(event: WatchEvent, revision: Revision): void {
    this.#events.push(event);
    this.#revision = revision;
  }

  #gone(revision: Revision): Error {
    return outOfRange("REVISION_GONE", `revision ${revision} is not in [${this.#compacted}, ${this.#revision}]`);
  }
}

export function revisionOf(event: WatchEvent): Revision {
  return event.type === "put" ? event.kv.modRevision : event.modRevision;
}

function keyOf(event: WatchEvent): string {
  return event.type === "put" ? event.kv.key : event.key;
}
