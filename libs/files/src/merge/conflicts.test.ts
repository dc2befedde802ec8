import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import fc from "fast-check";
import { comparePaths } from "../path.ts";
import { foldConflicts, ShardConflicts, twoWriters } from "./conflicts.ts";

type Written = readonly [path: string, datum: number];

const part = fc.constantFrom("a", "a-", "a.b", "a0", "b", "\u{1f600}", "\uffee");
const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join("/")}`);
const written = fc
  .uniqueArray(fc.tuple(path, fc.nat(9)), { maxLength: 20, selector: ([p]) => p })
  .map((all): Written[] => all.sort((a, b) => comparePaths(a[0], b[0])));

function shardOf(paths: readonly Written[]): store.MergedShard {
  const conflicts = new ShardConflicts();
  for (const [p, datum] of paths) conflicts.enter(p, BigInt(datum));
  const [firstPath, lastPath] = [paths[0]?.[0], paths.at(-1)?.[0]];
  const index = firstPath === undefined || lastPath === undefined ? undefined : { firstPath, lastPath };
  return create(store.MergedShardSchema, { ...(index && { index }), ...conflicts.finish() });
}

const shown = (conflicts: readonly store.PathConflict[]): string[] =>
  conflicts.map((c) => `${c.path} ${c.firstDatum} ${c.secondDatum}`);

test("a file where another datum has a folder: both are named", () => {
  const [conflict] = foldConflicts([
    shardOf([
      ["/a", 7],
      ["/a-", 1],
      ["/a/b", 2],
      ["/a/c", 0],
    ]),
  ]);
  assert.deepEqual([conflict?.path, conflict?.firstDatum, conflict?.secondDatum], ["/a", 2n, 7n]);
  assert.match(conflict?.detail ?? "", /datum 7 wrote a file where datum 2 has a folder/);
});

test("what only looks like a folder is none", () => {
  assert.deepEqual(
    foldConflicts([
      shardOf([
        ["/a", 1],
        ["/a-", 2],
        ["/a.b/c", 3],
        ["/a0/b", 4],
        ["/ab", 5],
      ]),
    ]),
    [],
  );
});

test("wherever the cuts are, the answer is that of one shard, and of a look at every pair", () => {
  fc.assert(
    fc.property(written, fc.array(fc.nat(20), { maxLength: 8 }), (all, cuts) => {
      const bounds = [0, ...cuts.map((cut) => Math.min(cut, all.length)).sort((a, b) => a - b), all.length];
      const shards = bounds.slice(1).map((to, i) => shardOf(all.slice(bounds[i], to)));
      const one = foldConflicts([shardOf(all)]);
      assert.deepEqual(foldConflicts(shards), one);
      const naive = all.flatMap(([file, byFile]) => {
        const under = all.find(([p]) => p.startsWith(`${file}/`));
        if (under === undefined) return [];
        return [`${file} ${[byFile, under[1]].sort((a, b) => a - b).join(" ")}`];
      });
      assert.deepEqual(shown(one), naive);
    }),
    { numRuns: 3_000 },
  );
});

test("what a shard tells about itself does not grow with it", () => {
  const all = Array.from({ length: 5_000 }, (_, i): Written => [`/d${String(i).padStart(5, "0")}/f`, i]);
  const shard = shardOf(all);
  assert.deepEqual(shown([]), []);
  assert.deepEqual(
    shard.openFiles.map(({ path: p }) => p),
    ["/d04999/f"],
  );
  assert.deepEqual(
    shard.leadingFolders.map(({ path: p }) => p),
    ["/d00000"],
  );
});

test("a shard that begins inside a file tells the folders of that path only", () => {
  const conflicts = new ShardConflicts();
  conflicts.enterRest("/a/s");
  conflicts.enter("/a/s.b/c", 3n);
  conflicts.enter("/a/s/x", 4n);
  const { leadingFolders, openFiles } = conflicts.finish();
  assert.deepEqual(
    leadingFolders.map(({ path: p }) => p),
    ["/a", "/a/s"],
  );
  assert.deepEqual(
    openFiles.map(({ path: p }) => p),
    ["/a/s/x"],
  );
});

test("conflicts beyond 100 are left out, the first in path order stay", () => {
  const all = Array.from({ length: 300 }, (_, i): Written[] => [
    [`/${1000 + i}`, 1],
    [`/${1000 + i}/x`, 2],
  ]).flat();
  for (const shards of [[shardOf(all)], [shardOf(all.slice(0, 101)), shardOf(all.slice(101))]]) {
    const conflicts = foldConflicts(shards);
    assert.equal(conflicts.length, 100);
    assert.equal(conflicts[0]?.path, "/1000");
    assert.equal(conflicts.at(-1)?.path, "/1099");
  }
});

test("conflicts of all kinds come in path order", () => {
  const shard = shardOf([
    ["/b", 1],
    ["/b/x", 2],
  ]);
  const other = create(store.MergedShardSchema, { conflicts: [twoWriters("/a", 0n, 1n)] });
  assert.deepEqual(
    foldConflicts([shard, other]).map((c) => c.path),
    ["/a", "/b"],
  );
});
