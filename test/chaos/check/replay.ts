// etcd's log replayed: revision by revision, with the store as it was before each. etcd stamps a total order, so nothing has to be
// searched for.

import type { EtcdEntry } from "../etcd-log.ts";
import type { Findings } from "./verdict.ts";

export interface StoredKey {
  readonly key: string;
  readonly value: Uint8Array;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
  readonly lease: string;
}

export type Store = ReadonlyMap<string, StoredKey>;

/** One change in a revision: of a put, `now`; of a delete, only `before`. */
export interface KeyChange {
  readonly key: string;
  readonly before: StoredKey | undefined;
  readonly now: StoredKey | undefined;
}

export interface Revision {
  readonly rev: number;
  /** When our watcher saw it. */
  readonly ns: number;
  readonly changes: readonly KeyChange[];
}

/**
 * Calls `each` with every revision and the store before it, and returns the store at the end. L0: the log has no gap, begins when the
 * store was empty, and never began again.
 */
export function replay(
  entries: readonly EtcdEntry[],
  last: number,
  findings: Findings,
  each: (revision: Revision, before: Store) => void,
): Store {
  const store = new Map<string, StoredKey>();
  let rev = 0;
  for (let i = 0; i < entries.length; ) {
    const first = entries[i] as EtcdEntry;
    if (first.snapshot !== undefined) {
      findings.check(
        rev === 0 && first.snapshot === 0,
        "L0",
        () => `revision ${first.rev}: the watcher lost events after ${rev}`,
      );
      rev = first.rev;
      i++;
      continue;
    }
    findings.check(
      first.rev === rev + 1,
      "L0",
      () => `revision ${first.rev} follows ${rev}: the watch lost what is between`,
    );
    const changes: KeyChange[] = [];
    for (; i < entries.length && entries[i]?.rev === first.rev && entries[i]?.snapshot === undefined; i++)
      changes.push(changeOf(entries[i] as EtcdEntry, store));
    rev = first.rev;
    each({ rev, ns: first.ns, changes }, store);
    for (const { key, now } of changes) {
      if (now === undefined) store.delete(key);
      else store.set(key, now);
    }
  }
  findings.check(rev === last, "L0", () => `the log ends at revision ${rev}, the watcher had seen ${last}`);
  return store;
}

function changeOf(entry: EtcdEntry, store: Store): KeyChange {
  const key = entry.put ?? entry.delete ?? "";
  const before = store.get(key);
  if (entry.put === undefined) return { key, before, now: undefined };
  const { value = "", create = 0, version = 0, lease = "0", rev } = entry;
  return { key, before, now: { key, value: Buffer.from(value, "base64"), create, mod: rev, version, lease } };
}
