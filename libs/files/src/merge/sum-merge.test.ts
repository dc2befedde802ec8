import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { api, store } from "@sheaf/proto";
import { memoryStore } from "@sheaf/storage";
import fc from "fast-check";
import { utf8 } from "../bytes.ts";
import { naiveMerge, writeRuns } from "../testing/job-model.ts";
import { openInputs } from "./inputs.ts";
import { mergeShard } from "./merge-shard.ts";
import { mergeSums } from "./sum-merge.ts";

const SPEC = create(api.MergeSpecSchema, { strategy: api.MergeStrategy.SUM });
const ALL = { from: undefined, to: undefined };

test("any range of keys, in pieces of any size, is that part of the whole", async () => {
  const key = fc.string({ unit: fc.constantFrom("a", "b", "\u0001", "é"), maxLength: 4 });
  const text = fc
    .array(fc.tuple(key, fc.nat(99)), { maxLength: 40 })
    .map((rows) => rows.map(([k, n]) => `${k}\t${n}\n`).join(""));
  const bound = fc.option(
    key.map((k) => utf8(k)),
    { nil: undefined },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(text, { minLength: 1, maxLength: 6 }),
      bound,
      bound,
      fc.constantFrom(1, 60, 1e6),
      async (texts, from, to, pieceBytes) => {
        const target = memoryStore();
        const outputs = texts.map((lines) => ({ "/s": lines }));
        const runs = await writeRuns(target, outputs, SPEC, [1, 2, 4]);
        const { sums } = await openInputs(target, runs, ALL);
        const found: string[] = [];
        for await (const { lines } of mergeSums(sums.get("/s") ?? [], { from, to }, undefined, pieceBytes))
          found.push(Buffer.from(lines).toString());
        const isIn = (line: string): boolean => {
          const bytes = Buffer.from(line.slice(0, line.indexOf("\t")));
          return (
            (from === undefined || Buffer.compare(bytes, from) >= 0) &&
            (to === undefined || Buffer.compare(bytes, to) < 0)
          );
        };
        const whole = naiveMerge(outputs, SPEC).files.get("/s") ?? "";
        assert.equal(
          found.join(""),
          whole
            .split(/(?<=\n)/)
            .filter((line) => line !== "" && isIn(line))
            .join(""),
        );
      },
    ),
    { numRuns: 300 },
  );
});

test("blocks that begin before the range, and tables of several blocks", async () => {
  const target = memoryStore();
  const lines = (step: number): string =>
    Array.from({ length: 3_000 }, (_, i) => `key${String(i * step).padStart(8, "0")}\t1\n`).join("");
  const runs = await writeRuns(target, [{ "/s": lines(1) }, { "/s": lines(2) }, { "/s": lines(3) }], SPEC, [1, 2]);
  const { sums } = await openInputs(target, runs, ALL);
  const parts = sums.get("/s") ?? [];
  assert.ok(parts.every(({ section }) => section.blocks.length > 5));
  const range = { from: utf8("key00001000"), to: utf8("key00002000") };
  const found: string[] = [];
  for await (const chunk of mergeSums(parts, range, undefined, 5_000))
    found.push(...Buffer.from(chunk.lines).toString().trim().split("\n"));
  assert.equal(found.length, 1_000);
  assert.equal(found[2], "key00001002\t3");
  assert.equal(found[0], "key00001000\t2");
});

test("a shard behind the last key of a summed path has nothing of it", async () => {
  const target = memoryStore();
  const runs = await writeRuns(target, [{ "/s": "a\t1\nb\t2\n" }], SPEC);
  const point = (key: string) => create(store.CutPointSchema, { path: "/s", key: utf8(key) });
  const behind = await mergeShard(target, runs, SPEC, { from: point("c"), to: undefined });
  assert.equal(behind.index, undefined);
  const rest = await mergeShard(target, runs, SPEC, { from: point("b"), to: point("c") });
  assert.deepEqual([rest.index?.firstPath, rest.index?.bytes], ["/s", 4n]);
  const begin = await mergeShard(target, runs, SPEC, { from: undefined, to: point("a") });
  assert.deepEqual([begin.index?.firstPath, begin.index?.bytes], ["/s", 0n]);
});

test("a merge that is called off stops", async () => {
  const target = memoryStore();
  const runs = await writeRuns(target, [{ "/s": "a\t1\n", "/f\t": "" }, { "/s": "a\t1\n" }], SPEC, [1]);
  const signal = AbortSignal.abort(new Error("called off"));
  await assert.rejects(() => mergeShard(target, runs, SPEC, ALL, { signal }), /called off/);
});

test("a run that does not fit the spec is DATA_LOSS, never a wrong sum", async () => {
  const target = memoryStore();
  const concat = await writeRuns(target, [{ "/s": "a\t1\n" }], create(api.MergeSpecSchema, {}));
  await assert.rejects(() => mergeShard(target, concat, SPEC, ALL), { code: "DATA_LOSS" });
  const sum = await writeRuns(target, [{ "/s": "a\t1\n" }], SPEC);
  await assert.rejects(() => mergeShard(target, sum, create(api.MergeSpecSchema, {}), ALL), { code: "DATA_LOSS" });
  const none = create(store.RunRefSchema, { from: 0n, to: 1n });
  await assert.rejects(() => mergeShard(target, [none], SPEC, ALL));
});
