/** A store in memory: for tests. It keeps every rule of the seam except that nothing survives the process. */
import { type Clock, dataLoss, systemClock } from "@sheaf/runtime";
import { type ByteRange, checkKey, type ObjectSource, type Store, streamRange } from "./store.ts";

interface Held {
  readonly bytes: Uint8Array;
  readonly modifiedMs: number;
}

/** Bounded by what is put into it, and by nothing else. */
export function memoryStore(clock: Clock = systemClock): Store {
  const objects = new Map<string, Held>();

  const held = (key: string): Held => {
    checkKey(key);
    const found = objects.get(key);
    if (found === undefined) throw dataLoss("OBJECT_MISSING", `the object ${key} is not in the store (memory)`);
    return found;
  };

  const store: Store = {
    url: "memory:",
    near: true,
    async put(key, source) {
      checkKey(key);
      if (objects.has(key)) return "exists";
      const bytes = await collect(source);
      // Another put may have come while the source was read: the first to end wins, as in a folder.
      if (objects.has(key)) return "exists";
      objects.set(key, { bytes, modifiedMs: clock.wall() });
      return "created";
    },
    async get(key, range) {
      const { bytes } = held(key);
      return range === undefined ? bytes.slice() : bytes.slice(range.offset, range.offset + range.length);
    },
    stream: (key, range) => streamWhole(store, key, range),
    async head(key) {
      checkKey(key);
      const found = objects.get(key);
      return found === undefined ? null : { size: found.bytes.length };
    },
    async *list(prefix) {
      // Keys are ASCII, so the order of strings is the order of bytes.
      for (const key of [...objects.keys()].filter((k) => k.startsWith(prefix)).sort()) {
        const found = objects.get(key);
        if (found !== undefined) yield { key, size: found.bytes.length, modifiedMs: found.modifiedMs };
      }
    },
    async delete(key) {
      checkKey(key);
      return objects.delete(key);
    },
    localPath: () => null,
    async close() {},
  };
  return store;
}

async function* streamWhole(store: Store, key: string, range?: ByteRange): AsyncGenerator<Uint8Array, void, void> {
  const size = (await store.head(key))?.size ?? 0;
  // For a missing object the get below says so.
  if (size === 0) await store.get(key);
  yield* streamRange(store, key, range ?? { offset: 0, length: size });
}

async function collect(source: ObjectSource): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return new Uint8Array(source);
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(new Uint8Array(piece));
  return new Uint8Array(Buffer.concat(pieces));
}
