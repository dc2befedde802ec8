import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { keyAfter, keyBytes, prefixEnd } from "./wire.ts";

test("prefixEnd() is the least key behind all keys with the prefix", () => {
  const text = fc.string({ unit: "binary", maxLength: 6 });
  fc.assert(
    fc.property(text, text, (prefix, key) => {
      const end = prefixEnd(prefix);
      const bytes = keyBytes(key);
      // [0] means "to the end of the store".
      const beforeEnd = end.equals(Buffer.from([0])) || bytes.compare(end) < 0;
      const inRange = bytes.compare(keyBytes(prefix)) >= 0 && beforeEnd;
      const hasPrefix = bytes.subarray(0, keyBytes(prefix).length).equals(keyBytes(prefix));
      assert.equal(inRange, hasPrefix);
    }),
  );
});

test("keyAfter() is behind the key and before everything else that is behind it", () => {
  assert.deepEqual(keyAfter("/a"), Buffer.from("/a\u0000"));
});
