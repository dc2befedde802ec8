import assert from "node:assert/strict";
import { test } from "node:test";
import { nextRace, stragglersToRace } from "./race.ts";
import { aClaim, aLedger, aWorker } from "./view.fixture.ts";

const idle = [aWorker({ id: "idle" })];
const never = () => false;
const almost = { n: 100, doneCount: 98, medianMs: 500 };
const straggler = aClaim({ start: 98, end: 99, next: 99, running: [{ index: 98, sinceMs: 0 }] });

test("nextRace() backs up what has been in work for three times the median and a second", () => {
  const ledger = aLedger({ ...almost, claims: [straggler] });
  assert.equal(nextRace([ledger], idle, 1_500, never), null);
  const race = nextRace([ledger], idle, 1_501, never);
  assert.deepEqual([race?.claim, race?.index, race?.worker], ["c1", 98, "idle"]);
  const quick = aLedger({ ...almost, medianMs: 1, claims: [straggler] });
  assert.equal(nextRace([quick], idle, 1_000, never), null, "three times a very short time says nothing");
});

test("nextRace() takes the longest, never the worker's own, and none twice", () => {
  const longer = aClaim({
    id: "c2",
    worker: "w2",
    start: 99,
    end: 100,
    next: 100,
    running: [{ index: 99, sinceMs: -1 }],
  });
  const ledger = aLedger({ ...almost, claims: [straggler, longer] });
  assert.equal(nextRace([ledger], idle, 2_000, never)?.claim, "c2");
  assert.equal(nextRace([ledger], idle, 2_000, (claim, index) => claim === "c2" && index === 99)?.claim, "c1");
  assert.equal(nextRace([ledger], [aWorker({ id: "w2", wants: 2, holds: 1 })], 2_000, never)?.claim, "c1");
});

test("nextRace() waits until nine of ten are done, and obeys speculation: false", () => {
  const at = (over: Partial<Parameters<typeof aLedger>[0]>) =>
    nextRace([aLedger({ ...almost, claims: [straggler], ...over })], idle, 9_000, never);
  assert.equal(at({ doneCount: 89 }), null);
  assert.equal(at({ doneCount: 90 })?.claim, "c1");
  assert.equal(at({ speculation: false }), null);
  assert.equal(at({ medianMs: null }), null);
});

test("stragglersToRace() counts what an idle worker would back up, one of a claim at a time", () => {
  const running = [
    { index: 98, sinceMs: 0 },
    { index: 99, sinceMs: 0 },
  ];
  const ledger = aLedger({ ...almost, claims: [aClaim({ start: 98, end: 100, next: 100, running })] });
  assert.equal(stragglersToRace([ledger], 1_000, never), 0);
  assert.equal(stragglersToRace([ledger, ledger], 9_000, never), 1);
  assert.equal(
    stragglersToRace([ledger], 9_000, (_, index) => index === 98),
    1,
  );
  assert.equal(
    stragglersToRace([ledger], 9_000, () => true),
    0,
    "it has a backup, or had one",
  );
  assert.equal(stragglersToRace([aLedger({ ...ledger, speculation: false })], 9_000, never), 0);
});
