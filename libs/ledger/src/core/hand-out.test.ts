import assert from "node:assert/strict";
import { test } from "node:test";
import { nextStep } from "./hand-out.ts";
import { aClaim, aLedger, aWorker } from "./view.fixture.ts";

const view = { cutIntervalMs: 1_000, now: 10_000, asking: 0, isRaced: () => false };
const idle = aWorker({ id: "idle" });
const stealable = aLedger({ msPerIndex: () => 100, claims: [aClaim()] });
const straggling = { n: 10, doneCount: 9, medianMs: 10 };

test("nextStep() gives what is free first, then steals, then races", () => {
  const free = aLedger({ order: "b", free: [{ start: 0, end: 4 }], freeCount: 4 });
  const straggler = aLedger({ ...straggling, claims: [aClaim({ id: "c2", start: 9, end: 10, next: 10 })] });
  const kindWith = (...ledgers: (typeof free)[]) => nextStep({ ...view, ledgers, workers: [idle] })?.kind;
  assert.equal(kindWith(straggler, stealable, free), "assign");
  assert.equal(kindWith(straggler, stealable), "steal");
  assert.equal(kindWith(straggler), "race");
  assert.equal(kindWith(), undefined);
});

test("nextStep() asks for no more tails than there are idle workers", () => {
  const ledgers = [stealable];
  assert.equal(nextStep({ ...view, ledgers, workers: [idle], asking: 1 }), null);
  assert.equal(nextStep({ ...view, ledgers, workers: [idle, { ...idle, id: "too" }], asking: 1 })?.kind, "steal");
});

test("nextStep() steals for idle workers only: one that wants a second claim has work", () => {
  assert.equal(nextStep({ ...view, ledgers: [stealable], workers: [aWorker({ holds: 1 })] }), null);
  assert.equal(nextStep({ ...view, ledgers: [stealable], workers: [aWorker({ wants: 2, holds: 1 })] })?.kind, "steal");
  const alone = aWorker({ wants: 2, holds: 1, isAlone: true });
  assert.equal(
    nextStep({ ...view, ledgers: [stealable], workers: [alone] }),
    null,
    "a suspect has nothing beside it (L9)",
  );
});
