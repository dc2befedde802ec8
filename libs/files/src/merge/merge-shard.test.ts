import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { api, store } from "@sheaf/proto";
import { memoryStore } from "@sheaf/storage";
import fc from "fast-check";
import { comparePaths } from "../path.ts";
import { conflictLines, contentsOf, type DatumOutput, naiveMerge, writeRuns } from "../testing/job-model.ts";
import { mergeShard } from "./merge-shard.ts";
import { commitOfShards, planMerge, shardRange } from "./plan-merge.ts";

const { CONCAT, EXCLUSIVE, SUM } = api.MergeStrategy;
const SPEC = create(api.MergeSpecSchema, {
  strategy: CONCAT,
  rules: [
    { glob: "/**/{s,s1}", strategy: SUM },
    { glob: "/x*", strategy: EXCLUSIVE },
  ],
});

/** Few names, so that datums meet, and files stand where others have folders. */
const part = fc.constantFrom("a", "a-", "a.b", "a0", "s", "s1", "x", "é", "\u{1f600}", "\u{ffee}");
const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join("/")}`);
const number = fc.oneof(
  fc.integer({ min: -50, max: 50 }).map(String),
  fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }).map(String),
  fc.tuple(fc.integer({ min: -9, max: 9 }), fc.nat(9999)).map(([a, b]) => `${a}.${b}`),
);
const key = fc.constantFrom("", "a", "ab", "b", "word", "\u0001", "zebra", "é");
const lines = fc
  .array(fc.tuple(key, number), { maxLength: 6 })
  .map((rows) => rows.map(([k, n]) => `${k}\t${n}\n`).join(""));
const isSum = (p: string): boolean => /\/s1?$/.test(p);

/** Outputs of one datum: a tree, so no path is a folder of another. */
const datum = fc
  .uniqueArray(path, { maxLength: 5 })
  .map((paths) => paths.filter((p) => !paths.some((other) => other.startsWith(`${p}/`))))
  .chain((paths) =>
    fc.tuple(...paths.map((p) => (isSum(p) ? lines : fc.string({ maxLength: 8 })).map((text) => [p, text] as const))),
  )
  .map((entries): DatumOutput => Object.fromEntries(entries));

const point = fc.oneof(
  path.map((p) => ({ path: p, key: "" })),
  fc.tuple(path.filter(isSum), key).map(([p, k]) => ({ path: p, key: k })),
);
const cuts = fc.uniqueArray(point, { maxLength: 5, selector: (p) => JSON.stringify(p) }).map((points) =>
  create(store.CutsSchema, {
    version: 1,
    points: points
      .map((p) => ({ path: p.path, key: Buffer.from(p.key) }))
      .sort((a, b) => comparePaths(a.path, b.path) || Buffer.compare(a.key, b.key)),
  }),
);

test("whatever the runs and the cuts, the result is what one thread would make", async () => {
  const starts = fc.array(fc.nat(12), { maxLength: 6 });
  const datums = fc.array(datum, { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(datums, starts, cuts, fc.boolean(), async (outputs, runStarts, cut, small) => {
      const target = memoryStore();
      const limits = small ? { packBytes: 10, segmentBytes: 4, sumBytes: 1 } : {};
      const runs = await writeRuns(target, outputs, SPEC, runStarts, limits);
      const shards: store.MergedShard[] = [];
      for (let i = 0; i <= cut.points.length; i++) {
        const options = small ? { runsMax: 2, packs: limits } : {};
        shards.push(await mergeShard(target, runs, SPEC, shardRange(cut, i), options));
      }
      const expected = naiveMerge(outputs, SPEC);
      const outcome = await commitOfShards(target, shards);
      if (outcome.kind === "conflicts") {
        assert.deepEqual(conflictLines(outcome.conflicts), expected.conflicts);
        return;
      }
      assert.deepEqual(expected.conflicts, []);
      assert.deepEqual([...(await contentsOf(target, outcome.ref))], [...expected.files]);
      assert.equal(outcome.manifest.files, BigInt(expected.files.size));
      const bytes = [...expected.files.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
      assert.equal(outcome.manifest.bytes, BigInt(bytes));
    }),
    { numRuns: Number(process.env["FC_RUNS"] ?? 300) },
  );
});

test("the cuts of planMerge make the same commit as one shard", async () => {
  const target = memoryStore();
  const text = (datumIndex: number): string =>
    Array.from({ length: 2_000 }, (_, i) => `key${(i * 7 + datumIndex * 13) % 5_000}\t${i % 9}\n`).join("");
  const outputs = Array.from({ length: 20 }, (_, i) => ({
    "/s": text(i),
    [`/f${i}`]: `${i}`,
    "/log": `line ${i}\n`,
  }));
  const runs = await writeRuns(target, outputs, SPEC, [3, 4, 9, 15]);
  const cutInto = async (shards: number): Promise<{ contents: Map<string, string>; count: number }> => {
    const cut = await planMerge(target, runs, shards, {
      shardBytes: 40_000,
      shardBytesMin: 10_000,
    });
    const merged = await Promise.all(
      Array.from({ length: cut.points.length + 1 }, (_, i) => mergeShard(target, runs, SPEC, shardRange(cut, i))),
    );
    const outcome = await commitOfShards(target, merged);
    assert.equal(outcome.kind, "commit");
    return {
      contents: await contentsOf(target, (outcome as { ref: store.ObjectRef }).ref),
      count: merged.length,
    };
  };
  const one = await cutInto(0);
  const many = await cutInto(4);
  assert.equal(one.count, 1);
  assert.ok(many.count >= 4, `${many.count} shards`);
  assert.deepEqual([...many.contents], [...one.contents]);
  assert.deepEqual([...one.contents], [...naiveMerge(outputs, SPEC).files]);
});
