import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { fileEntry, objectOf, PackWriter, putMessage, RunBuilder, segmentReader } from "@sheaf/files";
import { api, store } from "@sheaf/proto";
import { type Logger, unavailable } from "@sheaf/runtime";
import { memoryStore } from "@sheaf/storage";
import fc from "fast-check";
import type { ProcessJob } from "./job.ts";
import { EarlierResults, skippedRow } from "./skipped.ts";

const FROM = 100;

/** An earlier job of one run, [100, 100 + files.length): datum i has written files[i] files. */
async function open(files: readonly number[], limits = { rows: 7, files: 10 }) {
  const target = memoryStore();
  const packs = new PackWriter(target);
  const builder = new RunBuilder({ job: "one", attempt: "x", worker: "w" }, undefined);
  const rows = files.map((_, i) => {
    const index = BigInt(FROM + i);
    return create(store.DatumRowSchema, { index, id: `id-${index}`, state: api.DatumState.SUCCESS, tries: 1 });
  });
  // In the run they are sorted by path: those of one datum stand apart.
  const entries = files.map((count, i) =>
    Array.from({ length: count }, (_, at) => fileEntry(`/${at}/${i}`, packs.add(Buffer.from(`${i}-${at}`)))),
  );
  await packs.close();
  rows.forEach((row, i) => builder.addDatum(row, entries[i]));
  const { ref } = await builder.finish(target);
  const run = { from: BigInt(FROM), to: BigInt(FROM + files.length), table: ref };
  const list = create(store.RunListSchema, { version: 1, runs: [run] });
  const runs = await putMessage(target, "runlists", store.RunListSchema, list);
  const earlier = [create(store.EarlierJobSchema, { job: "one", runs })];
  const job = { work: create(store.WorkInputSchema, { earlier }), isSum: () => false } as unknown as ProcessJob;
  let away = false;
  const source = {
    ...target,
    get: (...args: Parameters<typeof target.get>) =>
      away ? Promise.reject(unavailable("AWAY", "away")) : target.get(...args),
  };
  const warned: unknown[] = [];
  const log = { warn: ({ object }: { readonly object: string }) => warned.push(object) } as unknown as Logger;
  const results = new EarlierResults(source, segmentReader(source), log, limits);
  const find = (i: number, id = `id-${i}`) =>
    results.find(job, create(store.DatumSchema, { id, earlier: { job: 0, index: BigInt(i) } }));
  const setAway = (now: boolean) => {
    away = now;
  };
  return { find, target, run: objectOf(ref), setAway, warned };
}

describe("EarlierResults", () => {
  it("finds every datum with all its files, in whatever order they are asked for and whatever fits at a time", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 30 }),
        fc.array(fc.nat(), { maxLength: 10 }),
        async (files, order) => {
          const { find } = await open(files);
          for (const i of [...files.keys(), ...order.map((at) => at % files.length)]) {
            const found = await find(FROM + i);
            assert.deepEqual(
              found?.entries.map(({ path }) => path),
              Array.from({ length: files[i] as number }, (_, at) => `/${at}/${i}`).sort(),
            );
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("gives entries of their own to each who asks", async () => {
    const { find } = await open([1]);
    const [entry] = (await find(FROM))?.entries ?? [];
    (entry as store.FileEntry).datum = 7n;
    assert.equal((await find(FROM))?.entries[0]?.datum, BigInt(FROM));
  });

  it("finds nothing under another id, or outside of what the job has done", async () => {
    const { find } = await open([1, 1]);
    assert.equal(await find(FROM, "id-101"), undefined);
    assert.equal(await find(FROM - 1), undefined);
    assert.equal(await find(FROM + 2), undefined);
  });

  it("says once that a run is damaged, and finds nothing of it any more", async () => {
    const { find, target, run, warned } = await open([1, 1]);
    await target.delete(run.key);
    assert.equal(await find(FROM), undefined);
    assert.equal(await find(FROM + 1), undefined);
    assert.deepEqual(warned, [run.key]);
  });

  it("waits for a store that is away: nothing is held to be gone", async () => {
    const { find, setAway } = await open([1]);
    setAway(true);
    await assert.rejects(find(FROM), { code: "UNAVAILABLE" });
    setAway(false);
    assert.equal((await find(FROM))?.entries.length, 1);
  });
});

describe("skippedRow()", () => {
  it("keeps the fractions of a millisecond that it took", () => {
    const row = skippedRow(
      3,
      create(store.DatumSchema, { id: "x" }),
      { log: undefined, entries: [], sums: [] },
      1_250.25,
    );
    assert.deepEqual([row.stats?.downloadTime?.seconds, row.stats?.downloadTime?.nanos], [1n, 250_250_000]);
    assert.deepEqual([row.state, row.tries, row.index], [api.DatumState.SKIPPED, 0, 3n]);
  });
});
