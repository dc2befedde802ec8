import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Batch, mergeSorted } from "./kway.ts";

type Item = readonly [value: number, source: number];

async function* source(batches: readonly (readonly Item[])[], closed?: () => void): AsyncGenerator<Batch<Item>> {
  try {
    yield* batches;
  } finally {
    closed?.();
  }
}

test("it gives what a stable sort gives, for any number of sources", async () => {
  const sources = fc.array(
    fc.array(fc.nat(30), { maxLength: 20 }).map((values) => values.sort((a, b) => a - b)),
    { maxLength: 20 },
  );
  await fc.assert(
    fc.asyncProperty(sources, fc.integer({ min: 1, max: 5 }), async (all, size) => {
      const batches = all.map((values, s) => {
        const items = values.map((value): Item => [value, s]);
        // Empty batches are allowed anywhere.
        return [
          [],
          ...Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size)),
          [],
        ];
      });
      const merged: Item[] = [];
      for await (const batch of mergeSorted(
        batches.map((b) => source(b)),
        (a, b) => a[0] - b[0],
      ))
        merged.push(...batch);
      const expected = all.flatMap((values, s) => values.map((value): Item => [value, s])).sort((a, b) => a[0] - b[0]);
      assert.deepEqual(merged, expected);
    }),
    { numRuns: 500 },
  );
});

test("sources are let go when the reader stops, and when one of them fails", async () => {
  const items = Array.from({ length: 2_000 }, (_, i): Item => [i, 0]);
  let closed = 0;
  const open = () => source([items, items], () => closed++);
  for await (const _ of mergeSorted([open(), open()], (a, b) => a[0] - b[0])) break;
  assert.equal(closed, 2);
  async function* failing(): AsyncGenerator<Batch<Item>> {
    yield items.slice(0, 1);
    throw new Error("cannot read on");
  }
  await assert.rejects(async () => {
    for await (const _ of mergeSorted([open(), failing(), open()], (a, b) => a[0] - b[0]));
  }, /cannot read on/);
  assert.equal(closed, 4);
});

test("it takes about log2(k) comparisons a record", async () => {
  let comparisons = 0;
  const all = Array.from({ length: 64 }, (_, s) =>
    source([Array.from({ length: 100 }, (_, i): Item => [i * 64 + ((s * 37) % 64), s])]),
  );
  let count = 0;
  const compare = (a: Item, b: Item): number => {
    comparisons++;
    return a[0] - b[0];
  };
  for await (const batch of mergeSorted(all, compare)) count += batch.length;
  assert.equal(count, 6_400);
  assert.ok(comparisons <= 6_400 * 6 + 64, `${comparisons} comparisons`);
});
