import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nextSteal } from "./steal.ts";
import { aClaim, aLedger, aWorker } from "./view.fixture.ts";

const idle = [aWorker({ id: "idle" })];
const at = (ms: number) => () => ms;

test("nextSteal() halves what two equal workers have left", () => {
  const ledger = aLedger({ msPerIndex: at(100), claims: [aClaim()] });
  const steal = nextSteal([ledger], idle, 0);
  assert.deepEqual([steal?.claim, steal?.from], ["c1", 50]);
});

test("nextSteal() gives a slow thief less, and a fast one more", () => {
  const paced = (thief: number, victim: number) =>
    aLedger({ msPerIndex: (worker) => (worker === "idle" ? thief : victim), claims: [aClaim()] });
  assert.equal(nextSteal([paced(300, 100)], idle, 0)?.from, 75);
  assert.equal(nextSteal([paced(100, 300)], idle, 0)?.from, 25);
});

test("nextSteal() takes from the one that will finish last, and from what it comes to last", () => {
  const claims = [
    aClaim({ id: "short", worker: "w1", end: 20 }),
    aClaim({ id: "begun", worker: "w2", start: 20, end: 40, next: 40, running: [{ index: 39, sinceMs: 0 }] }),
    aClaim({ id: "waiting", worker: "w2", start: 40, end: 100, next: 40, running: [] }),
  ];
  const steal = nextSteal([aLedger({ msPerIndex: at(100), claims })], idle, 0);
  assert.deepEqual([steal?.claim, steal?.from], ["waiting", 70]);
});

test("nextSteal() takes the last unstarted index from under a long one", () => {
  const claim = aClaim({ end: 2, running: [{ index: 0, sinceMs: 0 }] });
  assert.equal(nextSteal([aLedger({ msPerIndex: at(5), claims: [claim] })], idle, 800)?.from, 1);
});

test("nextSteal() leaves what is started, hardly worth it, asked for already, or sooner done where it is", () => {
  const none = (claim: Partial<Parameters<typeof aClaim>[0]>, ms = 100, thief = ms) => {
    const msPerIndex = (worker: string) => (worker === "idle" ? thief : ms);
    assert.equal(nextSteal([aLedger({ msPerIndex, claims: [aClaim(claim)] })], idle, 0), null);
  };
  none({ next: 100 });
  none({ end: 4 }, 10);
  none({ asked: true });
  none({ worker: "idle" });
  none({ end: 3 }, 100, 1_000);
  assert.equal(nextSteal([aLedger({ msPerIndex: at(100), claims: [aClaim()] })], [], 0), null);
  assert.equal(nextSteal([aLedger({ handsOut: false, msPerIndex: at(100), claims: [aClaim()] })], idle, 0), null);
});

test("nextSteal() judges by the claim itself while nothing is known, and by the time since it was heard", () => {
  const fresh = aLedger({ claims: [aClaim({ end: 16 })] });
  assert.equal(nextSteal([fresh], idle, 1_000)?.from, 8, "1 s for the first, and another: much is left");
  const heard = aLedger({ msPerIndex: at(100), claims: [aClaim({ running: [{ index: 0, sinceMs: 950 }] })] });
  assert.equal(nextSteal([heard], idle, 1_000)?.from, 56, "ten more were started in the second since");
});

test("nextSteal() takes what waits behind the first index of another job, of which nobody knows how long it takes", () => {
  const running = [{ index: 0, sinceMs: 50 }];
  const begun = aLedger({ order: "1", claims: [aClaim({ worker: "w1", end: 1, next: 1, running })] });
  const claims = [aClaim({ id: "plan", worker: "w1", end: 1, next: 0, running: [], assignedAt: 6_000 })];
  const steal = nextSteal([begun, aLedger({ order: "2", claims })], idle, 10_000);
  assert.deepEqual([steal?.claim, steal?.from], ["plan", 0]);
});

test("nextSteal() asks only for a part that was not started, whatever the numbers", () => {
  const claim = fc
    .record({ start: fc.nat(50), size: fc.integer({ min: 1, max: 60 }), started: fc.nat(60), since: fc.nat(5_000) })
    .map(({ start, size, started, since }) => {
      const next = start + Math.min(started, size);
      const running = next > start ? [{ index: next - 1, sinceMs: since }] : [];
      return aClaim({ start, end: start + size, next, running });
    });
  fc.assert(
    fc.property(claim, fc.nat(1_000), fc.nat(1_000), fc.nat(6_000), (one, thief, victim, now) => {
      const msPerIndex = (worker: string) => (worker === "idle" ? thief : victim);
      const steal = nextSteal([aLedger({ msPerIndex, claims: [one] })], idle, now);
      assert.ok(steal === null || (one.next <= steal.from && steal.from < one.end));
    }),
    { numRuns: 2_000 },
  );
});
