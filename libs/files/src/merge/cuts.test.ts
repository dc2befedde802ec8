import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import fc from "fast-check";
import { NO_BYTES, utf8 } from "../bytes.ts";
import { blockSizes } from "../run/block-sizes.ts";
import { chooseCuts, comparePlaces, shardCount } from "./cuts.ts";
import { mergeBytes, type Place, type Sample, samplesOf } from "./samples.ts";
import { filesIn, sumPartIn } from "./shard-range.ts";

const MIB = 1024 * 1024;

test("the number of shards", () => {
  assert.equal(shardCount(0, 4), 1);
  assert.equal(shardCount(3 * MIB, 4), 1);
  assert.equal(shardCount(8 * MIB, 4), 2);
  assert.equal(shardCount(100 * MIB, 4), 4);
  assert.equal(shardCount(1_000 * MIB, 4), 16);
  assert.equal(shardCount(10_000 * MIB, 4), 16);
  assert.equal(shardCount(10_000 * MIB, 1_000), 1_000);
  assert.equal(shardCount(100_000 * MIB, 1_000), 1_563);
  assert.equal(shardCount(1_000 * MIB, 0), 1);
  assert.equal(shardCount(40, 4, { shardBytes: 10, shardBytesMin: 10 }), 4);
});

const place = fc.record({
  path: fc.constantFrom("/a", "/b", "/c"),
  key: fc.oneof(
    fc.constant(NO_BYTES),
    fc.string({ maxLength: 2 }).map((text) => utf8(text)),
  ),
});
const sample = fc.tuple(place, place, fc.integer({ min: 0, max: 100 })).map(([a, b, weight]): Sample => {
  const [from, to] = comparePlaces(a, b) <= 0 ? [a, b] : [b, a];
  return { from, to, weight };
});

test("cuts ascend, are places of samples, and are never more than asked for", () => {
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 60 }), fc.nat(12), (samples, shards) => {
      const cuts = chooseCuts(samples, shards);
      assert.ok(cuts.length <= Math.max(0, shards - 1));
      const places = samples.flatMap(({ from, to }) => [from, to]).sort(comparePlaces);
      for (const [i, cut] of cuts.entries()) {
        assert.ok(places.some((p) => comparePlaces(p, cut) === 0));
        assert.ok(comparePlaces(cut, cuts[i - 1] ?? (places[0] as Place)) > 0);
      }
    }),
    { numRuns: 500 },
  );
});

const at = (i: number): Place => ({ path: `/${String(i).padStart(6, "0")}`, key: NO_BYTES });
const numberOf = (cut: store.CutPoint): number => Number(cut.path.slice(1));

/** What the shards weigh when the truth is known: a weight for each number. */
function shardWeights(cuts: readonly store.CutPoint[], weights: readonly number[]): number[] {
  const bounds = [0, ...cuts.map(numberOf), weights.length];
  return bounds.slice(1).map((to, i) => weights.slice(bounds[i], to).reduce((a, b) => a + b, 0));
}

test("shards weigh about the same when the samples are fine", () => {
  const fine = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 300, maxLength: 600 });
  fc.assert(
    fc.property(fine, fc.integer({ min: 2, max: 16 }), (weights, shards) => {
      const samples = weights.map((weight, i) => ({ from: at(i), to: at(i + 1), weight }));
      const cuts = chooseCuts(samples, shards);
      assert.equal(cuts.length, shards - 1);
      const fair = weights.reduce((a, b) => a + b) / shards;
      for (const weight of shardWeights(cuts, weights))
        assert.ok(Math.abs(weight - fair) <= 40, `${weight}, not ${fair}`);
    }),
  );
});

test("many runs of a few blocks each are cut as evenly as one large one", () => {
  const runs = 500;
  const samples = Array.from({ length: runs }, (_, run): Sample[] => {
    // Every run has keys 0 to 9,999 and three or four blocks, the first of them short (block-sizes.ts).
    const { blockBytes, firstBlockBytes } = blockSizes(5_000, BigInt(run));
    const bounds = [0];
    for (let next = firstBlockBytes * 2; next < 9_999; next += blockBytes * 2) bounds.push(next);
    bounds.push(9_999);
    return bounds
      .slice(1)
      .map((to, i) => ({ from: at(bounds[i] as number), to: at(to), weight: to - (bounds[i] as number) }));
  }).flat();
  const cuts = chooseCuts(samples, 8);
  for (const weight of shardWeights(
    cuts,
    Array.from({ length: 10_000 }, () => 1),
  )) {
    assert.ok(weight > 800 && weight < 1_800, `${weight} of 10,000 in 8 shards`);
  }
});

test("one heavy key does not starve the shards after it", () => {
  const weights = Array.from({ length: 100 }, (_, i) => (i === 10 ? 900 : 1));
  const samples = weights.map((weight, i) => ({ from: at(i), to: at(i + 1), weight }));
  const cuts = chooseCuts(samples, 4).map(numberOf);
  assert.equal(cuts.length, 3);
  assert.ok((cuts[0] as number) <= 11 && (cuts[2] as number) - (cuts[1] as number) > 10, `${cuts}`);
});

const block = (key: string, rawLength: number) => create(store.BlockRefSchema, { firstKey: utf8(key), rawLength });

test("samples of a run weigh what the run weighs, and are no more than the limit", () => {
  const blocks = Array.from({ length: 100 }, (_, i) => block(`/${String(i).padStart(3, "0")}`, 10));
  const run = create(store.RunFooterSchema, {
    files: { blocks, lastKey: utf8("/zzz"), rawBytes: 1_000n },
    combined: [
      { path: "/sum", lines: { blocks: [block("k", 7)], lastKey: utf8("z"), rawBytes: 7n } },
      { path: "/none", lines: {} },
    ],
  });
  assert.equal(mergeBytes(run), 1_007);
  for (const limit of [1_000, 10, 2]) {
    const samples = samplesOf(run, limit);
    assert.ok(samples.length <= limit + 2, `${samples.length}`);
    assert.equal(
      samples.reduce((sum, { weight }) => sum + weight, 0),
      1_007,
    );
  }
  const [first, second] = samplesOf(run, 10);
  assert.deepEqual([first?.from.path, first?.to.path, second?.from.path], ["/000", "/010", "/010"]);
  assert.deepEqual(samplesOf(run, 10).at(-1), {
    from: { path: "/sum", key: utf8("k") },
    to: { path: "/sum", key: utf8("z") },
    weight: 7,
  });
});

test("the ranges of any cuts tile the key space: every file and every line is in exactly one", () => {
  const point = fc.record({
    path: fc.constantFrom("/a", "/a-", "/b"),
    key: fc.constantFrom("", "k", "m").map((text) => utf8(text)),
  });
  const cutPoints = fc.uniqueArray(point, { maxLength: 6, selector: (p) => `${p.path} ${p.key}` });
  fc.assert(
    fc.property(cutPoints, (points) => {
      const cuts = points.map((p) => create(store.CutPointSchema, p)).sort(comparePlaces);
      const ranges = Array.from({ length: cuts.length + 1 }, (_, i) => ({
        from: cuts[i - 1],
        to: cuts[i],
      }));
      for (const path of ["/", "/a", "/a-", "/a/x", "/b", "/c"]) {
        const owners = ranges.filter((range) => {
          const { from, to } = filesIn(range);
          const key = Buffer.from(path);
          return (
            (from === undefined || Buffer.compare(key, from) >= 0) && (to === undefined || Buffer.compare(key, to) < 0)
          );
        });
        assert.equal(owners.length, 1);
        const parts = ranges.flatMap((range) => sumPartIn(range, path) ?? []);
        assert.equal(parts.filter(({ begins }) => begins).length, 1);
        // The shard in which the path begins is the one that has its entries.
        assert.ok(sumPartIn(owners[0] as (typeof ranges)[0], path)?.begins);
        for (const key of ["", "a", "k", "l", "m", "z"].map((text) => Buffer.from(text))) {
          const inRange = parts.filter(
            ({ keys: { from, to } }) =>
              (from === undefined || Buffer.compare(key, from) >= 0) &&
              (to === undefined || Buffer.compare(key, to) < 0),
          );
          assert.equal(inRange.length, 1, `${path} ${key}`);
        }
      }
    }),
    { numRuns: 300 },
  );
});
