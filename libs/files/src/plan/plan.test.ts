import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { create, toBinary } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import { memoryStore, type Store } from "@sheaf/storage";
import { compileGlob } from "../glob.ts";
import { getMessage, objectOf } from "../object.ts";
import { findMatches } from "./matches.ts";
import { PlanReader, readPlanDatums } from "./plan-reader.ts";
import { PlanWriter } from "./plan-writer.ts";

const HEADER = { job: "job", attempt: "attempt", worker: "worker" };

function datum(i: number): store.Datum {
  const file = create(store.FileEntrySchema, {
    path: `/f${i}`,
    size: BigInt(i),
    hash: new Uint8Array(32),
  });
  return create(store.DatumSchema, {
    id: `${i}`,
    inputs: [{ name: "in", path: `/f${i}`, files: [file] }],
  });
}

async function planOf(target: Store, count: number): ReturnType<PlanWriter["finish"]> {
  const writer = new PlanWriter(target, { chunkDatums: 7 });
  for (let i = 0; i < count; i++) await writer.add(datum(i));
  return writer.finish(HEADER);
}

test("datums come back, from any range", async () => {
  const target = memoryStore();
  const { ref, manifest } = await planOf(target, 30);
  assert.equal(manifest.datums, 30n);
  assert.equal(manifest.bytes, BigInt((30 * 29) / 2));
  assert.deepEqual(
    manifest.chunks.map((chunk) => [chunk.from, chunk.to]),
    [
      [0n, 7n],
      [7n, 14n],
      [14n, 21n],
      [21n, 28n],
      [28n, 30n],
    ],
  );
  const again = await getMessage(target, store.PlanManifestSchema, objectOf(ref));
  const reader = new PlanReader(target, again);
  for (const [from, to] of [
    [0, 30],
    [0, 0],
    [6, 8],
    [7, 14],
    [13, 29],
    [29, 30],
    [30, 30],
  ] as const) {
    const ids: string[] = [];
    for await (const { id, inputs } of reader.datums(BigInt(from), BigInt(to))) {
      assert.equal(inputs[0]?.files[0]?.path, `/f${id}`);
      ids.push(id);
    }
    assert.deepEqual(
      ids,
      Array.from({ length: to - from }, (_, i) => `${from + i}`),
    );
  }
});

test("a plan without datums", async () => {
  const { manifest } = await planOf(memoryStore(), 0);
  assert.equal(manifest.datums, 0n);
  assert.deepEqual(manifest.chunks, []);
});

test("datums beyond the end are OUT_OF_RANGE", async () => {
  const target = memoryStore();
  const { manifest } = await planOf(target, 3);
  const read = async (from: bigint, to: bigint): Promise<void> => {
    for await (const _ of readPlanDatums(target, manifest, from, to));
  };
  await assert.rejects(() => read(0n, 4n), { code: "OUT_OF_RANGE" });
  await assert.rejects(() => read(-1n, 1n), { code: "OUT_OF_RANGE" });
});

test("a chunk that was changed, or is another one, is DATA_LOSS", async () => {
  const target = memoryStore();
  const { manifest } = await planOf(target, 10);
  const key = manifest.chunks[0]?.object?.key as string;
  await target.delete(key);
  const other = toBinary(store.PlanChunkSchema, create(store.PlanChunkSchema, { version: 1, datums: [datum(1)] }));
  await target.put(key, other);
  const read = async (): Promise<void> => {
    for await (const _ of readPlanDatums(target, manifest, 0n, 1n));
  };
  await assert.rejects(read, { code: "DATA_LOSS", reason: "OBJECT_CORRUPT" });
  // What failed is not remembered: a repaired object can be read.
  await target.delete(key);
  await assert.rejects(read, { reason: "OBJECT_MISSING" });
});

test("25 a plan of very many datums is written as they come: memory stays, and ten million are some hundred chunks", async () => {
  const COUNT = 50_000;
  const drops = { ...memoryStore(), put: async () => "created" } as unknown as Store;
  async function* files() {
    for (let i = 0; i < COUNT; i++) {
      const path = `/logs/${String(i).padStart(8, "0")}`;
      yield create(store.FileEntrySchema, { path, size: 1n, hash: new Uint8Array(32) });
    }
  }
  const writer = new PlanWriter(drops);
  let most = 0;
  let count = 0;
  const before = usedBytes();
  for await (const { path, files: matched } of findMatches(files(), compileGlob("/logs/*"))) {
    const inputs = [create(store.DatumInputSchema, { name: "in", path, files: [...matched] })];
    await writer.add(create(store.DatumSchema, { id: path, inputs }));
    if (++count % 12_500 === 0) most = Math.max(most, usedBytes() - before);
  }
  const { manifest } = await writer.finish(HEADER);
  assert.equal(manifest.datums, BigInt(COUNT));
  assert.ok(most < 16 * 2 ** 20, `it grew by ${(most / 2 ** 20).toFixed(0)} MiB`);
  assert.ok(manifest.chunks.length * (10_000_000 / COUNT) <= 20_000, `${manifest.chunks.length} chunks`);
});

/** What is in use when all that is not is gone. */
function usedBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
