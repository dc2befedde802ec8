import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import fc from "fast-check";
import { recordHeader, spansOf } from "./wire.ts";

const datum = fc.record({ id: fc.string(), inputs: fc.array(fc.record({ name: fc.string() })) });

test("the records of a message are found where protobuf puts them", () => {
  const chunk = fc.record({
    version: fc.nat(),
    from: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    datums: fc.array(datum),
  });
  fc.assert(
    fc.property(chunk, (value) => {
      const message = create(store.PlanChunkSchema, value);
      const bytes = toBinary(store.PlanChunkSchema, message);
      const found = spansOf(bytes, 3).map(({ from, to }) => Buffer.from(bytes.subarray(from, to)));
      assert.deepEqual(
        found,
        message.datums.map((d) => Buffer.from(toBinary(store.DatumSchema, d))),
      );
    }),
  );
});

test("records put together by hand are the message", () => {
  const sizes = fc.constantFrom(0, 1, 127, 128, 300, 20_000);
  fc.assert(
    fc.property(fc.array(sizes), (lengths) => {
      const entries = lengths.map((length) => create(store.FileEntrySchema, { path: "x".repeat(length) }));
      const messages = entries.map((entry) => toBinary(store.FileEntrySchema, entry));
      const byHand = Buffer.concat(messages.flatMap((message) => [recordHeader(message.length), message]));
      const block = toBinary(store.FileBlockSchema, create(store.FileBlockSchema, { entries }));
      assert.ok(byHand.equals(block));
    }),
    { numRuns: 50 },
  );
});

test("bytes that are no message are a RangeError, never a wrong answer or a long wait", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        for (const { from, to } of spansOf(bytes, 1)) assert.ok(from <= to && to <= bytes.length);
      } catch (error) {
        assert.ok(error instanceof RangeError);
      }
    }),
    { numRuns: 2_000 },
  );
});
