import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { api, store } from "@sheaf/proto";
import { memoryStore, type Store } from "@sheaf/storage";
import { hex } from "../bytes.ts";
import { mergeShard } from "../merge/merge-shard.ts";
import { putMergeResult } from "../merge/plan-merge.ts";
import { messageTableRef, putMessage } from "../object.ts";
import { fileEntry } from "../pack/content.ts";
import { PackWriter } from "../pack/pack-writer.ts";
import { PlanWriter } from "../plan/plan-writer.ts";
import { bytesOf } from "../testing/job-model.ts";
import { readResultHeader } from "./result.ts";
import { type FinishedRun, RunBuilder } from "./run-builder.ts";
import { openRun, readRunFiles, readRunHeader, readRunRows } from "./run-reader.ts";

const WHO = { job: "job", attempt: "attempt", worker: "worker" };
const SPEC = create(api.MergeSpecSchema, {
  rules: [{ glob: "/sum*", strategy: api.MergeStrategy.SUM }],
});
const row = (index: number): store.DatumRow => create(store.DatumRowSchema, { index: BigInt(index), id: `id${index}` });

/** Datums 5 to 8, added in another order; 7 failed and wrote nothing. */
async function exampleRun(target: Store): Promise<FinishedRun & { readonly pack: PackWriter }> {
  const pack = new PackWriter(target);
  const run = new RunBuilder(WHO, SPEC);
  for (const i of [8, 5, 6]) {
    const lines = Buffer.from(`a\t${i}\nk${i}\t1\n`);
    const entries = [
      fileEntry("/z", pack.add(Buffer.from(`z${i}`))),
      fileEntry("/sum", pack.add(lines)),
      fileEntry(`/f${i}`, pack.add(Buffer.from(`f${i}`))),
    ];
    run.addDatum(row(i), entries, [{ path: "/sum", lines }]);
  }
  run.addDatum(row(7));
  assert.deepEqual([run.datums, run.files, run.outputBytes], [4, 9, 39n]);
  await pack.close();
  return { ...(await run.finish(target)), pack };
}

test("a run tells its interval, its rows and its files", async () => {
  const target = memoryStore();
  const { ref, pack } = await exampleRun(target);
  const header = await readRunHeader(target, ref);
  assert.deepEqual(
    [header.job, header.attempt, header.worker, header.kind, header.from, header.to],
    ["job", "attempt", "worker", store.WorkKind.PROCESS, 5n, 9n],
  );
  const run = await openRun(target, ref);
  const rows: string[] = [];
  for await (const { id } of readRunRows(run)) rows.push(id);
  assert.deepEqual(rows, ["id5", "id6", "id7", "id8"]);
  const some: string[] = [];
  for await (const { id } of readRunRows(run, { from: 6n, to: 8n })) some.push(id);
  assert.deepEqual(some, ["id6", "id7"]);
  const files: string[] = [];
  for await (const entry of readRunFiles(run))
    files.push(`${entry.path} ${entry.datum} ${(await bytesOf(target, entry)).toString("latin1").slice(0, 3)}`);
  assert.deepEqual(files, [
    "/f5 5 f5",
    "/f6 6 f6",
    "/f8 8 f8",
    "/sum 5 a\t5",
    "/sum 6 a\t6",
    "/sum 8 a\t8",
    "/z 5 z5",
    "/z 6 z6",
    "/z 8 z8",
  ]);
  const zs: bigint[] = [];
  for await (const entry of readRunFiles(run, { from: "/z", to: "/z\0" })) zs.push(entry.datum);
  assert.deepEqual(zs, [5n, 6n, 8n]);
  assert.deepEqual(run.footer.packs.map(hex), pack.packs.map(hex));
  assert.deepEqual(
    run.footer.combined.map(({ path, lines }) => [path, lines?.count]),
    [["/sum", 4n]],
  );
});

test("the same datums make the same run, in whatever order they came", async () => {
  const target = memoryStore();
  assert.deepEqual((await exampleRun(target)).ref, (await exampleRun(target)).ref);
});

test("an empty file under sum is known to the merge", async () => {
  const target = memoryStore();
  const run = new RunBuilder(WHO, SPEC);
  const empty = fileEntry("/sum", { size: 0n, hash: new Uint8Array(32), segments: [] });
  run.addDatum(row(0), [empty], [{ path: "/sum", lines: new Uint8Array() }]);
  const { ref, footer } = await run.finish(target);
  assert.equal(footer.combined.length, 1);
  const runRef = create(store.RunRefSchema, { from: 0n, to: 1n, table: ref });
  const shard = await mergeShard(target, [runRef], SPEC, { from: undefined, to: undefined });
  assert.deepEqual([shard.index?.firstPath, shard.index?.files, shard.index?.bytes], ["/sum", 1n, 0n]);
});

test("sums that grow too large are written out in parts", async () => {
  const target = memoryStore();
  const run = new RunBuilder(WHO, SPEC, { sumBytes: 20_000 });
  const lines = Buffer.from(Array.from({ length: 500 }, (_, i) => `key${i}\t1\n`).join(""));
  for (let i = 0; i < 4; i++) {
    const entry = (path: string) => fileEntry(path, { size: 1n, hash: new Uint8Array(32), segments: [] });
    run.addDatum(
      row(i),
      [entry("/sum1"), entry("/sum2")],
      [
        { path: "/sum1", lines },
        { path: "/sum2", lines: () => [lines] },
      ],
    );
  }
  const { footer } = await run.finish(target);
  assert.ok(footer.combined.length > 2);
  const total = footer.combined
    .filter(({ path }) => path === "/sum1")
    .reduce((sum, { lines: l }) => sum + (l?.count ?? 0n), 0n);
  assert.ok(total >= 500n && total <= 2_000n);
  assert.deepEqual(
    footer.combined.map(({ path }) => path),
    footer.combined.map(({ path }) => path).sort(),
  );
});

test("what a caller must not do is a bug, said aloud", async () => {
  const target = memoryStore();
  const entry = (path: string) => fileEntry(path, { size: 0n, hash: new Uint8Array(32), segments: [] });
  const rows = async (...indexes: number[]): Promise<unknown> => {
    const run = new RunBuilder(WHO, SPEC);
    for (const index of indexes) run.addDatum(row(index));
    return run.finish(target);
  };
  await assert.rejects(() => rows(), { reason: "RUN_EMPTY" });
  await assert.rejects(() => rows(1, 3), { reason: "RUN_NOT_CONTIGUOUS" });
  await assert.rejects(() => rows(1, 2, 2), { reason: "RUN_NOT_CONTIGUOUS" });
  const run = new RunBuilder(WHO, SPEC);
  assert.throws(() => run.addDatum(row(0), [entry("/sum")]), { reason: "SUM_LINES_MISSING" });
  assert.throws(() => run.addDatum(row(0), [entry("/a")], [{ path: "/a", lines: new Uint8Array() }]), {
    reason: "SUM_LINES_MISSING",
  });
  assert.throws(() => run.addDatum(row(0), [], [{ path: "/sum", lines: new Uint8Array() }]), {
    reason: "SUM_LINES_MISSING",
  });
  const open = new RunBuilder(WHO, undefined);
  open.addDatum(row(0), [fileEntry("/a", new PackWriter(target).add(Buffer.from("x")))]);
  await assert.rejects(() => open.finish(target), { reason: "PACK_NOT_CLOSED" });
});

test("an owner reads the header of every kind of result, and what it refers to", async () => {
  const target = memoryStore();
  const { ref, pack } = await exampleRun(target);
  const run = await readResultHeader(target, store.WorkKind.PROCESS, ref);
  assert.deepEqual([run.header.from, run.header.to, run.packs.map(hex)], [5n, 9n, pack.packs.map(hex)]);
  assert.deepEqual(
    run.objects,
    pack.packs.map((name) => `packs/${hex(name)}`),
  );

  const plan = new PlanWriter(target);
  await plan.add(create(store.DatumSchema, { id: "x" }));
  const planRef = (await plan.finish(WHO)).ref;
  const planned = await readResultHeader(target, store.WorkKind.PLAN, planRef);
  assert.deepEqual([planned.header.from, planned.header.to, planned.objects.length], [0n, 1n, 1]);

  const runRef = create(store.RunRefSchema, { from: 5n, to: 9n, table: ref });
  const shard = await mergeShard(target, [runRef], SPEC, { from: undefined, to: undefined });
  const mergeRef = await putMergeResult(target, { ...WHO, from: 3n, to: 4n }, [shard]);
  const merged = await readResultHeader(target, store.WorkKind.MERGE, mergeRef);
  assert.deepEqual([merged.header.from, merged.header.to, merged.packs.length, merged.objects.length], [3n, 4n, 1, 2]);

  for (const key of [...run.objects, ...planned.objects, ...merged.objects])
    assert.notEqual(await target.head(key), null);
});

test("a result that is none is refused", async () => {
  const target = memoryStore();
  const { ref } = await exampleRun(target);
  const plan = create(store.PlanManifestSchema, {
    version: 1,
    header: { kind: store.WorkKind.PROCESS, from: 0n, to: 1n },
  });
  const planRef = messageTableRef(await putMessage(target, "plans", store.PlanManifestSchema, plan));
  await assert.rejects(() => readResultHeader(target, store.WorkKind.PLAN, planRef), {
    reason: "RESULT_INVALID",
  });
  await assert.rejects(() => readResultHeader(target, store.WorkKind.PROCESS, planRef));
  const wrongHash = create(store.TableRefSchema, { ...ref, footerSha256: new Uint8Array(32) });
  await assert.rejects(() => readResultHeader(target, store.WorkKind.PROCESS, wrongHash), {
    reason: "OBJECT_CORRUPT",
  });
  const shardless = await putMergeResult(target, { ...WHO, from: 0n, to: 2n }, []);
  await assert.rejects(() => readResultHeader(target, store.WorkKind.MERGE, shardless), {
    reason: "RESULT_INVALID",
  });
});
