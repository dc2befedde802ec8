import assert from "node:assert/strict";
import { it } from "node:test";
import { memoryStore, type Store } from "@sheaf/storage";
import { PackWriter } from "./pack-writer.ts";
import { streamSegments } from "./stream-segments.ts";

const MIB = 1024 * 1024;

/** One file of long and short segments, by another writer for each. */
async function stored(sizes: readonly number[]) {
  const store = memoryStore();
  const bytes: Buffer[] = [];
  const segments = [];
  for (const [i, size] of sizes.entries()) {
    const piece = Buffer.alloc(size, `${i} and more `);
    const pack = new PackWriter(store);
    const content = pack.add(piece);
    await pack.close();
    bytes.push(piece);
    segments.push(...content.segments);
  }
  return { store, bytes: Buffer.concat(bytes), segments };
}

it("gives the bytes of short and long segments, in pieces of at most 1 MiB", async () => {
  const { store, bytes, segments } = await stored([10, 3 * MIB + 1, 5, 7, 2 * MIB, MIB]);
  const pieces: Uint8Array[] = [];
  for await (const piece of streamSegments(store, segments)) pieces.push(Buffer.from(piece));
  assert.ok(Buffer.concat(pieces).equals(bytes));
  assert.ok(pieces.every(({ length }) => length <= MIB));
  assert.equal((await streamSegments(store, []).next()).done, true);
});

it("never gives the end of a segment that is damaged or cut off", async () => {
  const { store, bytes, segments } = await stored([3 * MIB]);
  for (const damage of [
    (piece: Uint8Array) => Buffer.from(piece).fill(0, 7, 8),
    (piece: Uint8Array) => piece.subarray(0, 10),
  ]) {
    const broken: Store = {
      ...store,
      async *stream(key, range) {
        for await (const piece of store.stream(key, range)) yield damage(piece);
      },
    };
    let seen = 0;
    const read = async () => {
      for await (const piece of streamSegments(broken, segments)) seen += piece.length;
    };
    await assert.rejects(read(), { code: "DATA_LOSS", reason: "OBJECT_CORRUPT" });
    assert.ok(seen < bytes.length);
  }
});
