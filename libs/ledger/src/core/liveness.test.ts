import assert from "node:assert/strict";
import { test } from "node:test";
import { judge, type Pulse } from "./liveness.ts";

const PATIENCE = { brokenGraceMs: 1_000, silentMs: 6_000, massMs: 6_000 };
const pulses = (count: number, over: (i: number) => Partial<Pulse>): Pulse[] =>
  Array.from({ length: count }, (_, i) => ({ id: `w${i}`, brokenAt: null, heardAt: 0, ...over(i) }));

test("judge() waits a second for a broken stream and six for a silent one", () => {
  const both = pulses(2, (i) => (i === 0 ? { brokenAt: 0 } : {}));
  assert.deepEqual(judge(both, 999, PATIENCE, null).gone, []);
  assert.deepEqual(judge(both, 1_000, PATIENCE, null).gone, ["w0"]);
  assert.deepEqual(judge(both, 6_000, PATIENCE, null).gone, ["w0"]);
  assert.deepEqual(judge(both, 6_001, PATIENCE, null).gone, ["w0", "w1"]);
});

test("judge() waits longer when many lapse together: it is probably the owner", () => {
  const ten = pulses(10, (i) => (i < 3 ? { brokenAt: 0 } : { heardAt: 99_000 }));
  const first = judge(ten, 1_000, PATIENCE, null);
  assert.deepEqual(first, { gone: [], waitUntil: 7_000 });
  assert.deepEqual(judge(ten, 6_999, PATIENCE, first.waitUntil).gone, []);
  assert.deepEqual(judge(ten, 7_000, PATIENCE, first.waitUntil), { gone: ["w0", "w1", "w2"], waitUntil: null });
  const back = pulses(10, () => ({ heardAt: 3_000 }));
  assert.deepEqual(judge(back, 3_000, PATIENCE, first.waitUntil), { gone: [], waitUntil: null });
});

test("judge() does not take two of a few for many, nor three of a great many", () => {
  assert.equal(
    judge(
      pulses(2, () => ({ brokenAt: 0 })),
      1_000,
      PATIENCE,
      null,
    ).gone.length,
    2,
  );
  const twenty = pulses(20, (i) => (i < 3 ? { brokenAt: 0 } : { heardAt: 99_000 }));
  assert.equal(judge(twenty, 1_000, PATIENCE, null).gone.length, 3);
});
