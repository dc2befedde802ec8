import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import { resourceExhausted } from "@sheaf/runtime";
import { memoryStore, type Store } from "@sheaf/storage";
import fc from "fast-check";
import { hex, sha256 } from "../bytes.ts";
import { packKey } from "../object.ts";
import { contentHash, fileEntry } from "./content.ts";
import { PackWriter } from "./pack-writer.ts";
import { readSegments, segmentReader } from "./segment-reader.ts";

const SMALL = { packBytes: 20, segmentBytes: 8 };

async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

/** The same store as if it were far away. */
const far = (store: Store): Store => ({ ...store, near: false });

test("files come back whole, however they were added and read", async () => {
  const file = fc.record({
    bytes: fc.uint8Array({ maxLength: 60 }),
    streamed: fc.boolean(),
    cut: fc.nat(60),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(file, { maxLength: 12 }), fc.boolean(), async (files, small) => {
      const target = memoryStore();
      const pack = new PackWriter(target, small ? SMALL : {});
      const contents = [];
      for (const { bytes, streamed, cut } of files) {
        const pieces = [bytes.subarray(0, cut), bytes.subarray(cut)];
        contents.push(streamed ? await pack.addStream(pieces) : pack.add(bytes));
        await pack.ready();
      }
      await pack.close();
      const reader = segmentReader(far(target), { cacheBytes: 1 });
      for (const [i, { segments, size, hash }] of contents.entries()) {
        const bytes = files[i]?.bytes as Uint8Array;
        assert.equal(size, BigInt(bytes.length));
        assert.ok((await bytesOf(readSegments(target, segments))).equals(bytes));
        assert.ok((await bytesOf(reader.read(segments))).equals(bytes));
        assert.deepEqual(hash, contentHash(segments));
        if (segments.length <= 1) assert.equal(hex(hash), hex(sha256(bytes)));
      }
      assert.equal(
        pack.bytes,
        files.reduce((sum, { bytes }) => sum + bytes.length, 0),
      );
      for (const name of pack.packs) assert.equal(hex(sha256(await target.get(packKey(name)))), hex(name));
    }),
    { numRuns: 300 },
  );
});

test("a file that is written piece by piece knows the hash of all its bytes", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 6 }), (pieces) => {
      const file = new PackWriter(memoryStore(), SMALL).beginFile();
      for (const piece of pieces) file.write(piece);
      assert.equal(hex(file.end().sha256), hex(sha256(Buffer.concat(pieces))));
    }),
  );
});

test("the same bytes have the same hash, wherever the packs end", async () => {
  const bytes = Buffer.from("0123456789abcdefghijklmnopqrstuvwxyz");
  const hashes = [];
  for (const before of [0, 1, 15, 19, 33]) {
    const pack = new PackWriter(memoryStore(), SMALL);
    pack.add(Buffer.alloc(before));
    hashes.push(hex(pack.add(bytes).hash), hex((await pack.addStream([bytes.subarray(0, 5), bytes.subarray(5)])).hash));
  }
  assert.equal(new Set(hashes).size, 1);
});

test("a segment knows its pack once the pack is closed", async () => {
  const pack = new PackWriter(memoryStore());
  const { segments } = pack.add(Buffer.from("hello"));
  assert.equal(segments[0]?.pack.length, 0);
  await pack.close();
  assert.equal(segments[0]?.pack.length, 32);
  assert.deepEqual(pack.packs, [segments[0]?.pack]);
  const later = pack.add(Buffer.from("more"));
  await pack.close();
  assert.equal(later.segments[0]?.offset, 0n);
  assert.equal(pack.packs.length, 2);
});

test("an empty file has no segment, and a pack without bytes is no object", async () => {
  const target = memoryStore();
  const pack = new PackWriter(target);
  const { segments, size, hash } = pack.add(Buffer.alloc(0));
  assert.deepEqual([segments, size], [[], 0n]);
  assert.equal(hex(hash), hex(sha256(new Uint8Array())));
  await pack.close();
  for await (const { key } of target.list("")) assert.fail(key);
});

test("a pack that cannot be stored fails whoever waits, and goes on failing", async () => {
  const target: Store = {
    ...memoryStore(),
    put: async () => {
      throw resourceExhausted("STORE_FULL", "full");
    },
  };
  const pack = new PackWriter(target, SMALL);
  for (let i = 0; i < 10; i++) pack.add(Buffer.alloc(8));
  await assert.rejects(() => pack.close(), { reason: "STORE_FULL" });
  await assert.rejects(() => pack.ready(), { reason: "STORE_FULL" });
  await assert.rejects(() => pack.addStream([Buffer.alloc(30)]), { reason: "STORE_FULL" });
});

test("ready waits while packs pile up", async () => {
  const gates: (() => void)[] = [];
  const target: Store = {
    ...memoryStore(),
    put: () => new Promise((resolve) => gates.push(() => resolve("created"))),
  };
  const pack = new PackWriter(target, SMALL);
  for (let i = 0; i < 9; i++) pack.add(Buffer.alloc(8));
  assert.equal(gates.length, 3);
  let isReady = false;
  const ready = pack.ready().then(() => {
    isReady = true;
  });
  gates[0]?.();
  await new Promise(setImmediate);
  assert.equal(isReady, false);
  gates[1]?.();
  await ready;
  gates[2]?.();
  await pack.close();
});

test("neighbours in a pack come in one read", async () => {
  const inner = memoryStore();
  const pack = new PackWriter(inner, { segmentBytes: 10 });
  const one = pack.add(Buffer.alloc(35, 1));
  const two = pack.add(Buffer.alloc(5, 2));
  await pack.close();
  const reads: unknown[] = [];
  const target: Store = {
    ...inner,
    get: (key, range) => {
      reads.push(range);
      return inner.get(key, range);
    },
  };
  const all = await bytesOf(readSegments(target, [...one.segments, ...two.segments]));
  assert.equal(all.length, 40);
  assert.deepEqual(reads, [{ offset: 0, length: 40 }]);
});

test("many small files from afar cost few reads", async () => {
  const inner = memoryStore();
  const pack = new PackWriter(inner);
  const files = Array.from({ length: 2_000 }, (_, i) => pack.add(Buffer.from(`file ${i}`.padEnd(1_000))));
  await pack.close();
  let reads = 0;
  const target: Store = {
    ...inner,
    near: false,
    get: (key, range) => {
      reads++;
      return inner.get(key, range);
    },
  };
  const reader = segmentReader(target);
  for (const [i, file] of files.entries()) {
    assert.equal((await bytesOf(reader.read(file.segments))).toString().trim(), `file ${i}`);
  }
  assert.ok(reads < 10, `${reads} reads`);
});

test("bytes that are not those that were stored are DATA_LOSS, with pack and offset", async () => {
  const target = memoryStore();
  const pack = new PackWriter(target);
  const [a, b] = [pack.add(Buffer.from("first")), pack.add(Buffer.from("second"))];
  await pack.close();
  const key = packKey(pack.packs[0] as Uint8Array);
  await target.delete(key);
  await assert.rejects(() => bytesOf(readSegments(target, a.segments)), {
    reason: "OBJECT_MISSING",
  });
  await target.put(key, Buffer.from("firstsec0nd"));
  assert.equal((await bytesOf(readSegments(target, a.segments))).toString(), "first");
  const damaged = {
    code: "DATA_LOSS",
    reason: "OBJECT_CORRUPT",
    message: new RegExp(`${key}.* at 5 `),
  };
  await assert.rejects(() => bytesOf(readSegments(target, b.segments)), damaged);
  await target.delete(key);
  await target.put(key, Buffer.from("fir"));
  await assert.rejects(() => bytesOf(readSegments(target, a.segments)), {
    reason: "OBJECT_CORRUPT",
  });
  const huge = create(store.SegmentSchema, { pack: pack.packs[0] as Uint8Array, length: 2 ** 30 });
  await assert.rejects(() => bytesOf(readSegments(target, [huge])), { reason: "OBJECT_CORRUPT" });
});

test("a file of several packs", async () => {
  const target = memoryStore();
  const pack = new PackWriter(target, SMALL);
  const bytes = Buffer.from(Array.from({ length: 100 }, (_, i) => i));
  const entry = fileEntry("/a", pack.add(bytes), { executable: true, datum: 3n });
  await pack.close();
  assert.ok(pack.packs.length >= 4);
  assert.ok((await bytesOf(readSegments(target, entry.segments))).equals(bytes));
  assert.deepEqual([entry.executable, entry.datum, entry.size], [true, 3n, 100n]);
});
