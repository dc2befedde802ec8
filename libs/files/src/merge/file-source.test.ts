import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import fc from "fast-check";
import { withoutDatum } from "./file-source.ts";

const hash = fc.uint8Array({ minLength: 0, maxLength: 32 });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const entries = fc.record({
  path: fc.string(),
  size: uint64,
  hash,
  executable: fc.boolean(),
  datum: fc.oneof(uint64, fc.bigInt({ min: 0n, max: 300n })),
  segments: fc.array(fc.record({ pack: hash, offset: uint64, length: fc.nat(), sha256: hash }), { maxLength: 3 }),
});

test("an entry without its datum is what protobuf makes of it", () => {
  fc.assert(
    fc.property(entries, (value) => {
      const entry = create(store.FileEntrySchema, value);
      const message = toBinary(store.FileEntrySchema, entry);
      const bare = toBinary(store.FileEntrySchema, create(store.FileEntrySchema, { ...value, datum: 0n }));
      assert.ok(Buffer.from(withoutDatum({ entry, message }) ?? []).equals(bare));
    }),
    { numRuns: 500 },
  );
});

test("a message of another writer is left to be packed anew", () => {
  const datumFirst = Buffer.concat([Buffer.from([0x30, 0x85, 0x02]), Buffer.from([0x0a, 0x02, 0x30, 0x61])]);
  const entry = create(store.FileEntrySchema, { path: "0a", datum: 261n });
  assert.equal(withoutDatum({ entry, message: datumFirst }), undefined);
  const otherDatum = toBinary(store.FileEntrySchema, create(store.FileEntrySchema, { path: "0a", datum: 262n }));
  assert.equal(withoutDatum({ entry, message: otherDatum }), undefined);
});
