// A store that waits for itself: an outage of some seconds costs time, not work.

import { type Clock, type Logger, retry, SheafError } from "@sheaf/runtime";
import type { ByteRange, ObjectSource, Store } from "@sheaf/storage";

/** Longer than a restart of a storage service takes. After that the work is given back. */
const PATIENCE_MS = 120_000;
const WAITS = { baseMs: 50, capMs: 2_000 };

/** The store, whose calls are made again while it cannot be reached, is full or read-only. All of them may be repeated (store.ts). */
export function patientStore(store: Store, clock: Clock, log: Logger): Store {
  const patiently = <T>(what: string, call: () => Promise<T>): Promise<T> =>
    retry(call, {
      ...WAITS,
      clock,
      deadlineMs: PATIENCE_MS,
      transient: isTransient,
      onRetry: (error, attempt) => {
        if (attempt === 1) log.warn({ err: error }, `the store cannot ${what} now; trying again`);
      },
    });
  return {
    url: store.url,
    near: store.near,
    put: (key, source) =>
      isRepeatable(source) ? patiently(`take ${key}`, () => store.put(key, source)) : store.put(key, source),
    get: (key, range?: ByteRange) => {
      // Nearly all reads succeed at once, and cost less without the retry around them.
      const first = range === undefined ? store.get(key) : store.get(key, range);
      return first.catch((error: unknown) => {
        if (!isTransient(error)) throw error;
        return patiently(`read ${key}`, () => (range === undefined ? store.get(key) : store.get(key, range)));
      });
    },
    stream: (key, range) => store.stream(key, range),
    head: (key) => patiently(`look for ${key}`, () => store.head(key)),
    list: (prefix) => store.list(prefix),
    delete: (key) => store.delete(key),
    localPath: (key) => store.localPath(key),
    close: () => store.close(),
  };
}

function isTransient(error: unknown): boolean {
  if (!(error instanceof SheafError)) return false;
  // A file system that had an error is often read-only for a while.
  return ["UNAVAILABLE", "RESOURCE_EXHAUSTED"].includes(error.code) || error.reason === "STORE_NOT_WRITABLE";
}

/** A stream is read once. */
function isRepeatable(source: ObjectSource): boolean {
  return !(Symbol.asyncIterator in source);
}
