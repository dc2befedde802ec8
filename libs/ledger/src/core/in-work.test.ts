import assert from "node:assert/strict";
import { test } from "node:test";
import { inWork } from "./in-work.ts";

const claim = (id: string, next: number, running: number[] = []) => ({
  id,
  start: 0,
  end: 4,
  next,
  running: running.map((index) => ({ index, sinceMs: 0 })),
});

test("inWork() names the first claim, and those behind it that were begun", () => {
  assert.deepEqual([...inWork([claim("a", 0), claim("b", 0)])], ["a"], "the last beat may be older than the begin");
  assert.deepEqual([...inWork([claim("a", 4, [3]), claim("b", 1, [0])])], ["a", "b"], "claims run into each other");
  assert.deepEqual([...inWork([claim("a", 4), claim("b", 0)])], ["b"], "one that is through only waits for its commit");
  assert.deepEqual([...inWork([])], []);
});
