import assert from "node:assert/strict";
import { test } from "node:test";
import { cutInterval, nextAssignment } from "./assign.ts";
import { claimSize, observe } from "./claim-size.ts";
import { aLedger, aWorker } from "./view.fixture.ts";
import type { LedgerView } from "./view.ts";

const size = { free: 10_000, room: 10_000, workers: 2, slots: 1, msPerIndex: 1, cutIntervalMs: 1_000 };

test("claimSize() is worth 1 s of work, or the cut interval when that is longer", () => {
  assert.equal(claimSize(size), 1_000);
  assert.equal(claimSize({ ...size, free: 100_000, room: 100_000, cutIntervalMs: 5_000 }), 5_000);
});

test("claimSize() shrinks towards the tail, and is never below 1", () => {
  assert.equal(claimSize({ ...size, free: 400, room: 400 }), 100);
  assert.equal(claimSize({ ...size, free: 3, room: 3 }), 1);
  assert.equal(claimSize({ ...size, room: 7 }), 7);
});

test("claimSize() probes when nothing is known", () => {
  assert.equal(claimSize({ ...size, msPerIndex: null }), 16);
  assert.equal(claimSize({ ...size, slots: 64, msPerIndex: null }), 64);
});

test("claimSize() has work for every slot, to the end", () => {
  assert.equal(claimSize({ ...size, slots: 8, free: 20, room: 20 }), 8);
  assert.equal(claimSize({ ...size, slots: 8, msPerIndex: 60_000 }), 8);
  assert.equal(claimSize({ ...size, slots: 8, free: 3, room: 3 }), 3);
});

test("observe() follows the newest commits", () => {
  assert.equal(observe(null, 100, 10), 10);
  assert.equal(observe(10, 200, 10), 13);
});

const ledger = (order: string, free: number, over: Partial<LedgerView> = {}): LedgerView =>
  aLedger({ order, free: free > 0 ? [{ start: 0, end: free }] : [], freeCount: free, ...over });

test("nextAssignment() serves the oldest job first, and a younger one when the older has nothing free", () => {
  const workers = [aWorker()];
  const [old, young] = [ledger("a", 100), ledger("b", 100)];
  assert.equal(nextAssignment([young, old], workers, 1_000)?.ledger, old);
  assert.equal(nextAssignment([young, ledger("a", 0)], workers, 1_000)?.ledger, young);
  assert.equal(nextAssignment([young, ledger("a", 9, { handsOut: false })], workers, 1_000)?.ledger, young);
});

test("nextAssignment() gives to the worker with the fewest claims, and to nobody who wants none", () => {
  const workers = [aWorker({ id: "busy", holds: 1 }), aWorker({ id: "idle" }), aWorker({ id: "full", wants: 0 })];
  assert.equal(nextAssignment([ledger("a", 9)], workers, 1_000)?.worker, "idle");
  assert.equal(nextAssignment([ledger("a", 9)], workers.slice(2), 1_000), null);
  assert.equal(nextAssignment([], workers, 1_000), null);
});

test("nextAssignment() sizes a claim by the worker's own pace, and not above what the ledger allows there", () => {
  const msPerIndex = (worker: string) => (worker === "slow" ? 200 : 1);
  const size = (worker: string, over: Partial<LedgerView>) =>
    nextAssignment([ledger("a", 1_000, over)], [aWorker({ id: worker })], 1_000)?.end;
  assert.equal(size("fast", { msPerIndex }), 500);
  assert.equal(size("slow", { msPerIndex }), 5);
  assert.equal(size("fast", { msPerIndex, most: () => 7 }), 7);
});

test("nextAssignment() gives a suspect to who holds nothing, and nothing beside it (L9)", () => {
  const given = (free: LedgerView["free"], suspects: number[], worker = aWorker()) => {
    const next = nextAssignment([ledger("a", 1_000, { free, suspects })], [worker], 1_000);
    return next === null ? null : [next.start, next.end];
  };
  const all = [{ start: 0, end: 100 }];
  const busy = aWorker({ holds: 1 });
  assert.deepEqual(given(all, [7]), [0, 7], "a claim ends before it");
  assert.deepEqual(given([{ start: 7, end: 100 }], [7]), [7, 8]);
  assert.deepEqual(given([{ start: 7, end: 100 }], [7], busy), [8, 24]);
  assert.deepEqual(given([{ start: 7, end: 10 }], [7, 8], busy), [9, 10]);
  assert.equal(given([{ start: 7, end: 9 }], [7, 8], busy), null);
  assert.deepEqual(
    given(
      [
        { start: 7, end: 9 },
        { start: 20, end: 30 },
      ],
      [7, 8, 40],
      busy,
    ),
    [20, 30],
  );
  assert.equal(given(all, [], aWorker({ holds: 1, isAlone: true })), null);
  const young = ledger("b", 9);
  const next = nextAssignment([ledger("a", 1, { suspects: [0] }), young], [busy], 1_000);
  assert.equal(next?.ledger, young, "others do not wait for it");
});

test("nextAssignment() gives what was lost first, wherever it lies in what is free", () => {
  const lost = [{ start: 40, end: 44 }];
  const next = nextAssignment([ledger("a", 100, { lost, suspects: [60] })], [aWorker()], 1_000);
  assert.deepEqual([next?.start, next?.end], [40, 44]);
});

test("cutInterval() keeps etcd at 50 commits a second of a job", () => {
  assert.equal(cutInterval(2), 1_000);
  assert.equal(cutInterval(1_000), 20_000);
});
