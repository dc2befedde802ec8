import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { putMergeResult, readCommit } from "@sheaf/files";
import type { DoneInterval } from "@sheaf/ledger";
import { dispatch, store } from "@sheaf/proto";
import { memoryStore, type Store } from "@sheaf/storage";
import { collect, explain } from "./collect.ts";

const at = { job: "j", from: 0n, to: 1n, attempt: "a", worker: "w" };

async function done(
  target: Store,
  start: number,
  shard: MessageInitShape<typeof store.MergedShardSchema>,
  failed = "",
): Promise<DoneInterval> {
  const header = { ...at, from: BigInt(start), to: BigInt(start + 1) };
  const result = await putMergeResult(target, header, [create(store.MergedShardSchema, shard)]);
  const totals = create(dispatch.TotalsSchema, { failed: failed === "" ? 0n : 1n, firstFailedMessage: failed });
  return { start, end: start + 1, result, attempt: "a", worker: "w", fence: 1n, totals };
}

const conflict = (kind: store.PathConflictKind, path: string) =>
  create(store.PathConflictSchema, { kind, path, firstDatum: 3n, secondDatum: 7n, detail: "line 2 is bad" });

test("collect() of shards without paths is an empty commit", async () => {
  const target = memoryStore();
  const ending = await collect(target, [await done(target, 0, {}), await done(target, 1, {})]);
  assert.ok(ending.kind === "publish");
  assert.deepEqual([ending.files, ending.bytes, ending.shards], [0n, 0n, 2]);
  assert.equal(ending.manifest.key, `commits/${ending.rootHash}`);
  for await (const file of readCommit(target, ending.manifest)) assert.fail(`${file.path} is not expected`);
});

test("collect() of conflicts fails the job and names path and datums", async () => {
  const target = memoryStore();
  const shard = { conflicts: [conflict(store.PathConflictKind.TWO_WRITERS, "/same")] };
  const ending = await collect(target, [await done(target, 0, shard)]);
  assert.ok(ending.kind === "failed");
  assert.equal(ending.reason, "PATH_CONFLICT");
  assert.match(ending.message, /datums 3 and 7 both wrote \/same/);
});

test("collect() of a shard that could not be merged fails the job and says why", async () => {
  const target = memoryStore();
  const ending = await collect(target, [await done(target, 0, {}), await done(target, 1, {}, "packs/1 is damaged")]);
  assert.deepEqual(ending, {
    kind: "failed",
    reason: "MERGE_FAILED",
    message: "shard 1 could not be merged: packs/1 is damaged",
  });
});

test("explain() says of every kind which path, which datums and what to do", () => {
  const { TWO_WRITERS, FILE_AND_FOLDER, NOT_A_SUM } = store.PathConflictKind;
  assert.match(explain(conflict(TWO_WRITERS, "/a")), /3 and 7 .*\/a.*exclusive; let each/);
  assert.match(explain(conflict(FILE_AND_FOLDER, "/a")), /\/a is a file .*3 and 7.*another name/);
  assert.match(explain(conflict(NOT_A_SUM, "/a")), /\/a of datum 3 .*line 2 is bad.*a tab and a number/);
});
