import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SumTable } from "./sum-table.ts";

const number = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 100 }).map(String) },
  fc.integer().map(String),
  fc.constantFrom(
    "9007199254740991",
    "-9007199254740991",
    "999999999999999",
    "1234567890123456",
    "0.5",
    "-0.25",
    "1.750",
  ),
);
/** Any bytes but TAB and LF, many of them alike at first. */
const key = fc.oneof(
  fc.string({ unit: fc.constantFrom("a", "b", "\0", "\u0001", "\u00ff"), maxLength: 9 }),
  fc.string({ unit: "binary-ascii", maxLength: 4 }).filter((text) => !/[\t\n]/.test(text)),
);
const rows = fc.array(fc.tuple(key, number), { maxLength: 300 });

function naive(all: readonly (readonly [string, string])[]): string {
  const sums = new Map<string, number>();
  for (const [k, n] of all) sums.set(k, (sums.get(k) ?? 0) + Math.round(Number(n) * 100));
  const keys = [...sums.keys()].sort();
  return keys.map((k) => `${k}\t${(sums.get(k) as number) / 100}\n`).join("");
}

test("sums by key, sorted by the bytes of the keys, in whole chunks", () => {
  fc.assert(
    fc.property(rows, fc.constantFrom(1, 50, 100_000), (all, chunkBytes) => {
      // Small enough for the naive sum's doubles; the exact ones have their own test.
      const small = all.filter(([, n]) => Math.abs(Number(n)) < 1e9);
      const table = new SumTable();
      for (const [k, n] of small) table.add(Buffer.from(`${k}\t${n}\n`, "latin1"));
      const chunks = [...table.chunks(chunkBytes)];
      const text = Buffer.concat(chunks.map(({ lines }) => lines)).toString("latin1");
      assert.equal(text, naive(small));
      for (const { firstKey, lastKey, lines, count } of chunks) {
        const own = Buffer.from(lines).toString("latin1").split("\n").slice(0, -1);
        assert.equal(own.length, count);
        assert.equal(own[0]?.split("\t")[0], Buffer.from(firstKey).toString("latin1"));
        assert.equal(own.at(-1)?.split("\t")[0], Buffer.from(lastKey).toString("latin1"));
      }
      assert.equal(table.size, new Set(small.map(([k]) => k)).size);
    }),
    { numRuns: 500 },
  );
});

test("sums beyond 2^53 are exact, and may come back", () => {
  const table = new SumTable();
  const add = (text: string): void => table.add(Buffer.from(text));
  add("a\t9007199254740991\na\t9007199254740991\nb\t0.1\nb\t0.2\nc\t12345678901234567890\n");
  add("c\t-12345678901234567890\nc\t7\nd\t-5\n");
  const text = (): string => Buffer.concat([...table.chunks(10)].map(({ lines }) => lines)).toString();
  assert.equal(text(), "a\t18014398509481982\nb\t0.3\nc\t7\nd\t-5\n");
  const { memory } = table;
  add("a\t-9007199254740991\nb\t0.7\n");
  assert.ok(table.memory < memory, "what is small again takes no room");
  assert.equal(text(), "a\t9007199254740991\nb\t1\nc\t7\nd\t-5\n");
});

test("long keys, many keys, long numbers", () => {
  const table = new SumTable();
  const long = "k".repeat(60_000);
  const digits = "9".repeat(900);
  table.add(Buffer.from(`${long}1\t1\n${long}2\t2\n${long}1\t${digits}\n`));
  const keys = Array.from({ length: 20_000 }, (_, i) => `key${(i * 7_919) % 20_000}`);
  for (let round = 0; round < 2; round++) table.add(Buffer.from(keys.map((k) => `${k}\t3\n`).join("")));
  assert.equal(table.size, 20_002);
  const lines = Buffer.concat([...table.chunks(1_000)].map((chunk) => chunk.lines))
    .toString()
    .split("\n");
  assert.equal(lines.length, 20_003);
  assert.ok(lines.includes(`${long}2\t2`) && lines.includes(`${long}1\t1${"0".repeat(900)}`));
  assert.equal(lines.filter((line) => line.startsWith("key") && line.endsWith("\t6")).length, 20_000);
  assert.ok(table.memory > 120_000);
});

test("only the given part of the bytes is added", () => {
  const table = new SumTable();
  table.add(Buffer.from("x\t1\na\t2\nb\t3\ny\t4\n"), 4, 12);
  assert.equal(Buffer.from([...table.chunks(99)][0]?.lines ?? []).toString(), "a\t2\nb\t3\n");
});

test("a line that was not checked is a bug, said aloud", () => {
  for (const text of ["a\n", "a\t\n", "a\t1", "a\tx\n", "a", "a\t1\t2\n", "a\t12"]) {
    assert.throws(
      () => new SumTable().add(Buffer.from(text)),
      { code: "INTERNAL", reason: "SUM_LINE" },
      JSON.stringify(text),
    );
  }
});
