import assert from "node:assert/strict";
import { test } from "node:test";
import { cutInterval, nextAssignment, type OpenLedger } from "./assign.ts";
import { claimSize, observe } from "./claim-size.ts";

const size = { free: 10_000, room: 10_000, workers: 2, msPerIndex: 1, cutIntervalMs: 1_000 };

test("claimSize() is worth 2 s of work, or the cut interval when that is longer", () => {
  assert.equal(claimSize(size), 2_000);
  assert.equal(claimSize({ ...size, free: 100_000, room: 100_000, cutIntervalMs: 5_000 }), 5_000);
});

test("claimSize() shrinks towards the tail, and is never below 1", () => {
  assert.equal(claimSize({ ...size, free: 400, room: 400 }), 100);
  assert.equal(claimSize({ ...size, free: 3, room: 3 }), 1);
  assert.equal(claimSize({ ...size, room: 7 }), 7);
});

test("claimSize() probes when nothing is known", () => {
  assert.equal(claimSize({ ...size, msPerIndex: null }), 16);
});

test("observe() follows the newest commits", () => {
  assert.equal(observe(null, 100, 10), 10);
  assert.equal(observe(10, 200, 10), 13);
});

const ledger = (order: string, free: number, handsOut = true): OpenLedger => ({
  order,
  free: free > 0 ? [{ start: 0, end: free }] : [],
  freeCount: free,
  msPerIndex: null,
  handsOut,
});

test("nextAssignment() serves the oldest job first, and a younger one when the older has nothing free", () => {
  const workers = [{ id: "w", wants: 1, holds: 0 }];
  const [old, young] = [ledger("a", 100), ledger("b", 100)];
  assert.equal(nextAssignment([young, old], workers, 1, 1_000)?.ledger, old);
  assert.equal(nextAssignment([young, ledger("a", 0)], workers, 1, 1_000)?.ledger, young);
  assert.equal(nextAssignment([young, ledger("a", 9, false)], workers, 1, 1_000)?.ledger, young);
});

test("nextAssignment() gives to the worker with the fewest claims, and to nobody who wants none", () => {
  const workers = [
    { id: "busy", wants: 1, holds: 1 },
    { id: "idle", wants: 1, holds: 0 },
    { id: "full", wants: 0, holds: 0 },
  ];
  assert.equal(nextAssignment([ledger("a", 9)], workers, 3, 1_000)?.worker, "idle");
  assert.equal(nextAssignment([ledger("a", 9)], workers.slice(2), 3, 1_000), null);
  assert.equal(nextAssignment([], workers, 3, 1_000), null);
});

test("cutInterval() keeps etcd at 50 commits a second of a job", () => {
  assert.equal(cutInterval(2), 1_000);
  assert.equal(cutInterval(1_000), 20_000);
});
