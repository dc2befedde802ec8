import assert from "node:assert/strict";
import { test } from "node:test";
import { nextToMakeWay } from "./make-way.ts";
import { aClaim, aLedger, aWorker } from "./view.fixture.ts";

const lost = [{ start: 20, end: 21 }];
const workers = [aWorker({ id: "w1", wants: 0, holds: 2 }), aWorker({ id: "w2", wants: 0, holds: 2 })];
const msPerIndex = () => 100;
/** Each of the two runs one and has two claims; the second is nearly done with what it runs. */
const claims = [
  aClaim({ id: "a", worker: "w1", start: 0, end: 5, next: 1, running: [{ index: 0, sinceMs: 1_000 }] }),
  aClaim({ id: "b", worker: "w2", start: 5, end: 10, next: 6, running: [{ index: 5, sinceMs: 920 }] }),
  aClaim({ id: "c", worker: "w1", start: 10, end: 15, next: 10, running: [] }),
  aClaim({ id: "d", worker: "w2", start: 15, end: 20, next: 15, running: [] }),
].map((claim) => ({ ...claim, saidAt: 1_000 }));
const asksOf = (...ledgers: ReturnType<typeof aLedger>[]) =>
  nextToMakeWay(ledgers, workers, 1_000)?.tails.map(({ victim, claim, from }) => `${victim} ${claim} ${from}`);

test("nextToMakeWay() asks for all that the worker holds, and has not started, that is first done with what it has", () => {
  assert.deepEqual(asksOf(aLedger({ lost, msPerIndex, claims })), ["w2 b 6", "w2 d 15"]);
});

test("nextToMakeWay() asks nobody where nothing was lost, and no more workers than there are lost parts", () => {
  assert.equal(asksOf(aLedger({ msPerIndex, claims })), undefined);
  const asked = claims.map((claim) => (claim.id === "d" ? { ...claim, asked: true } : claim));
  assert.equal(asksOf(aLedger({ lost, msPerIndex, claims: asked })), undefined);
  const two = [...lost, { start: 30, end: 31 }];
  assert.deepEqual(asksOf(aLedger({ lost: two, msPerIndex, claims: asked })), ["w1 a 1", "w1 c 10"]);
});

test("nextToMakeWay() leaves what comes first anyway: older jobs, a suspect, and who runs one (L9)", () => {
  const older = aLedger({ order: "0", msPerIndex, claims });
  assert.equal(asksOf(older, aLedger({ lost, msPerIndex })), undefined);
  assert.deepEqual(asksOf(aLedger({ order: "b", msPerIndex, claims }), aLedger({ lost })), ["w2 b 6", "w2 d 15"]);
  assert.equal(asksOf(aLedger({ lost, suspects: [20], msPerIndex, claims })), undefined);
  const alone = workers.map((worker) => ({ ...worker, isAlone: worker.id === "w2" }));
  const [tail] = nextToMakeWay([aLedger({ lost, msPerIndex, claims })], alone, 1_000)?.tails ?? [];
  assert.equal(tail?.victim, "w1");
});
