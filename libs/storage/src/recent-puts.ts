import type { ByteRange, ObjectSource, Store } from "./store.ts";

const OBJECT_BYTES_MAX = 64 * 1024;
const KEPT_BYTES_MAX = 4 * 1024 * 1024;

/**
 * The store, with the small objects that were put here last in memory: a service reads much of what it has just written, and a
 * server takes milliseconds for each. Objects never change, so what was put is what would be read. A store that is near stays as it is.
 */
export function withRecentPuts(store: Store): Store {
  if (store.near) return store;
  const recent = new RecentPuts();
  const { presign } = store;
  return {
    url: store.url,
    near: store.near,
    put: async (key, source) => {
      // Before: the memory may be used for other bytes as soon as it is stored.
      const bytes = smallOf(source);
      const result = await store.put(key, source);
      if (bytes !== undefined && result === "created") recent.keep(key, bytes);
      return result;
    },
    get: async (key, range?: ByteRange) => {
      const bytes = recent.get(key);
      if (bytes === undefined) return range === undefined ? store.get(key) : store.get(key, range);
      return range === undefined ? bytes.slice() : bytes.slice(range.offset, range.offset + range.length);
    },
    stream: (key, range) => store.stream(key, range),
    head: (key) => store.head(key),
    list: (prefix) => store.list(prefix),
    delete: (key) => {
      recent.drop(key);
      return store.delete(key);
    },
    localPath: (key) => store.localPath(key),
    ...(presign && { presign: (key, range, seconds) => presign.call(store, key, range, seconds) }),
    close: () => store.close(),
  };
}

class RecentPuts {
  /** The oldest first. */
  readonly #objects = new Map<string, Uint8Array>();
  #bytes = 0;

  get(key: string): Uint8Array | undefined {
    return this.#objects.get(key);
  }

  keep(key: string, bytes: Uint8Array): void {
    this.drop(key);
    this.#objects.set(key, bytes);
    this.#bytes += bytes.length;
    for (const oldest of this.#objects.keys()) {
      if (this.#bytes <= KEPT_BYTES_MAX) return;
      this.drop(oldest);
    }
  }

  drop(key: string): void {
    this.#bytes -= this.#objects.get(key)?.length ?? 0;
    this.#objects.delete(key);
  }
}

/** A copy; undefined: a stream, or too large. */
function smallOf(source: ObjectSource): Uint8Array | undefined {
  if (Symbol.asyncIterator in source) return undefined;
  const pieces = source instanceof Uint8Array ? [source] : source;
  const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
  return bytes > OBJECT_BYTES_MAX ? undefined : new Uint8Array(Buffer.concat(pieces));
}
