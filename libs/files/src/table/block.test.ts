import assert from "node:assert/strict";
import { test } from "node:test";
import { store } from "@sheaf/proto";
import fc from "fast-check";
import { NO_BYTES } from "../bytes.ts";
import { blockRef, packBlock, unpackBlock } from "./block.ts";

const AT = { firstKey: NO_BYTES, offset: 7, count: 1 };

test("a block comes back, packed or not", () => {
  const repetitive = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.integer({ min: 1, max: 5_000 }));
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    repetitive.map(([part, times]) => new Uint8Array(Buffer.concat(Array.from({ length: times }, () => part)))),
  );
  fc.assert(
    fc.property(bytes, (raw) => {
      const block = packBlock(raw);
      const ref = blockRef(block, { ...AT, rawLength: raw.length });
      assert.ok(block.bytes.length <= raw.length);
      assert.ok(Buffer.from(raw).equals(unpackBlock(block.bytes, ref, "indexes/x")));
    }),
  );
});

test("a block that is not what its footer says", () => {
  const raw = Buffer.alloc(100_000, "abc");
  const block = packBlock(raw);
  assert.equal(block.codec, store.Codec.ZSTD);
  for (const wrong of [
    { rawLength: 99 },
    { rawLength: 100_001 },
    { rawLength: 2 ** 31 },
    { codec: store.Codec.PLAIN },
    { codec: store.Codec.UNSPECIFIED },
  ]) {
    const ref = { ...blockRef(block, { ...AT, rawLength: raw.length }), ...wrong };
    assert.throws(() => unpackBlock(block.bytes, ref, "indexes/x"), {
      code: "DATA_LOSS",
      reason: "OBJECT_CORRUPT",
    });
  }
});
