import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { GroupedReads } from "./grouped-reads.ts";
import type { ByteRange } from "./store.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Reads of an object in which the byte at `i` tells `i`. */
function counting(size: number) {
  const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 255);
  const asked: (ByteRange & { key: string })[] = [];
  const reads = new GroupedReads(async (key, range) => {
    asked.push({ key, ...range });
    if (key === "missing") throw new Error("missing");
    return bytes.slice(range.offset, range.offset + range.length);
  });
  return { bytes, asked, reads };
}

describe("GroupedReads", () => {
  it("gives each reader what it asked for, its own, however they overlap and where the object ends", async () => {
    const size = 300 * KIB;
    const range = fc.record({
      offset: fc.integer({ min: 0, max: size + 10 }),
      length: fc.integer({ min: 0, max: 40 * KIB }),
    });
    const { bytes, reads } = counting(size);
    await fc.assert(
      fc.asyncProperty(fc.array(range, { minLength: 1, maxLength: 12 }), async (ranges) => {
        const got = await Promise.all(ranges.map((one) => reads.get("a", one)));
        for (const [i, { offset, length }] of ranges.entries()) {
          assert.ok(Buffer.from(got[i] ?? []).equals(bytes.subarray(offset, offset + length)));
          got[i]?.fill(0); // seen by nobody else: those after it are still right
        }
      }),
      { numRuns: 50 },
    );
  });

  it("joins neighbours, and not what lies far apart, is long, or is of another object", async () => {
    const { asked, reads } = counting(8 * MIB);
    const get = (key: string, offset: number, length: number) => reads.get(key, { offset, length });
    await Promise.all([
      get("a", 1 * MIB, KIB),
      get("a", 0, KIB),
      get("a", KIB + 64 * KIB, KIB), // 64 KiB lie between
      get("b", 0, KIB),
      get("a", 2 * MIB, MIB + 1), // long
    ]);
    asked.sort((x, y) => (x.key === y.key ? x.offset - y.offset : x.key < y.key ? -1 : 1));
    assert.deepEqual(asked, [
      { key: "a", offset: 0, length: 66 * KIB },
      { key: "a", offset: MIB, length: KIB },
      { key: "a", offset: 2 * MIB, length: MIB + 1 },
      { key: "b", offset: 0, length: KIB },
    ]);
    asked.length = 0;
    // Side by side without an end: no request is longer than 4 MiB.
    await Promise.all(Array.from({ length: 80 }, (_, i) => get("a", i * 100 * KIB, 100 * KIB)));
    assert.deepEqual(
      asked.map(({ length }) => length),
      [4000 * KIB, 4000 * KIB],
    );
  });

  it("a failure is everybody's who waits for it, and nobody's after", async () => {
    const { reads } = counting(KIB);
    const both = await Promise.allSettled([0, 1].map((offset) => reads.get("missing", { offset, length: 1 })));
    assert.deepEqual(
      both.map(({ status }) => status),
      ["rejected", "rejected"],
    );
    assert.equal((await reads.get("a", { offset: 0, length: 9 })).length, 9);
  });
});
