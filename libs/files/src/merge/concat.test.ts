import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { api, type store } from "@sheaf/proto";
import { memoryStore } from "@sheaf/storage";
import { hex } from "../bytes.ts";
import { openCommit } from "../commit/commit-reader.ts";
import { bytesOf, writeRuns } from "../testing/job-model.ts";
import { mergeShard } from "./merge-shard.ts";
import { commitOfShards } from "./plan-merge.ts";
import { compileMergeSpec } from "./strategies.ts";

const { CONCAT, EXCLUSIVE, SORT, COMMAND, SUM } = api.MergeStrategy;
const SPEC = create(api.MergeSpecSchema, { strategy: CONCAT });

async function merged(outputs: readonly Record<string, string>[], starts: readonly number[]) {
  const target = memoryStore();
  const runs = await writeRuns(target, outputs, SPEC, starts);
  const shard = await mergeShard(target, runs, SPEC, { from: undefined, to: undefined });
  const outcome = await commitOfShards(target, [shard]);
  assert.equal(outcome.kind, "commit");
  const commit = await openCommit(target, (outcome as { ref: store.ObjectRef }).ref);
  return { target, shard, entry: (await commit.find("/log")) as store.FileEntry };
}

test("a few parts are joined without copying a byte", async () => {
  const outputs = Array.from({ length: 30 }, (_, i) => ({ "/log": `line ${i}\n` }));
  const { target, shard, entry } = await merged(outputs, [10, 20]);
  assert.equal(entry.segments.length, 30);
  assert.deepEqual(shard.packs, []);
  assert.equal((await bytesOf(target, entry)).toString(), outputs.map((o) => o["/log"]).join(""));
});

test("very many tiny parts become one piece; the result does not depend on the runs", async () => {
  const outputs = Array.from({ length: 2_500 }, (_, i) => ({ "/log": `line ${i}\n` }));
  const hashes = new Set<string>();
  for (const starts of [[], [3, 999, 1_001, 2_000]]) {
    const { target, shard, entry } = await merged(outputs, starts);
    // Two full windows are one piece each; the 500 parts after them stay.
    assert.equal(entry.segments.length, 502);
    assert.equal(shard.packs.length, 1);
    assert.equal((await bytesOf(target, entry)).toString(), outputs.map((o) => o["/log"]).join(""));
    hashes.add(hex(entry.hash));
  }
  assert.equal(hashes.size, 1);
});

test("the first rule that matches wins; the spec's own strategy is for the rest", () => {
  const rules = [
    { glob: "/counts/*", strategy: SUM },
    { glob: "/counts/**", strategy: EXCLUSIVE },
    { glob: "*.log", strategy: api.MergeStrategy.UNSPECIFIED },
  ];
  const strategyOf = compileMergeSpec(create(api.MergeSpecSchema, { strategy: EXCLUSIVE, rules }));
  assert.equal(strategyOf("/counts/a"), "sum");
  assert.equal(strategyOf("/counts/a/b"), "exclusive");
  assert.equal(strategyOf("/x.log"), "concat");
  assert.equal(strategyOf("/other"), "exclusive");
  assert.equal(compileMergeSpec(undefined)("/a"), "concat");
});

test("strategies that do not exist yet are UNIMPLEMENTED, by name", () => {
  for (const [strategy, name] of [
    [SORT, "SORT"],
    [COMMAND, "COMMAND"],
  ] as const) {
    const spec = create(api.MergeSpecSchema, { rules: [{ glob: "*", strategy }] });
    assert.throws(() => compileMergeSpec(spec), { code: "UNIMPLEMENTED", message: new RegExp(name) });
  }
  assert.throws(() => compileMergeSpec(create(api.MergeSpecSchema, { rules: [{ glob: "[" }] })), {
    reason: "GLOB_SYNTAX",
  });
  const many = Array.from({ length: 101 }, () => ({ glob: "*", strategy: CONCAT }));
  assert.throws(() => compileMergeSpec(create(api.MergeSpecSchema, { rules: many })), { reason: "MERGE_RULES" });
});
