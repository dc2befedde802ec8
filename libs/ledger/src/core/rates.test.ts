import assert from "node:assert/strict";
import { test } from "node:test";
import { Rates } from "./rates.ts";

const done = (worker: string, count: number, ms: number, medianMs: number) => ({
  start: 0,
  end: count,
  worker,
  totals: { downloadMs: 0n, processMs: BigInt(ms), uploadMs: 1n, medianMs: BigInt(medianMs) },
});

test("Rates tells a worker's own pace, and everybody's for one that is new", () => {
  const rates = new Rates();
  assert.equal(rates.msPerIndex("w1"), null);
  rates.enter(done("w1", 10, 100, 9));
  assert.equal(rates.msPerIndex("w1"), 10);
  assert.equal(rates.msPerIndex("new"), 10);
  rates.enter(done("w2", 10, 1_000, 99));
  assert.equal(rates.msPerIndex("w1"), 10);
  assert.equal(rates.msPerIndex("w2"), 100);
});

test("Rates weighs the medians of runs by their sizes", () => {
  const rates = new Rates();
  assert.equal(rates.medianMs(), null);
  rates.enter(done("w1", 990, 5_000, 5));
  rates.enter(done("w1", 10, 5_000, 500));
  assert.equal(rates.medianMs(), 5);
});
