import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Told } from "./told.ts";

const JOB = "01m82zj4rd8yppba72mwg90p1w";
const log = (index: number, worker = "w1", number = 1n) => ({ index, worker, log: number });

describe("Told", () => {
  it("knows how far each log was told, until its datum is done", () => {
    const told = new Told(JOB);
    told.toldUpTo(log(3), 10n);
    told.toldUpTo(log(3), 20n);
    told.toldUpTo(log(3, "w2"), 5n);
    assert.deepEqual(
      [told.endOf(log(3)), told.endOf(log(3, "w2")), told.endOf(log(3, "w1", 2n))],
      [20n, 5n, undefined],
    );
    told.done({ from: 3, to: 4 });
    assert.deepEqual([told.isDone(3), told.isDone(4), told.endOf(log(3))], [true, false, undefined]);
  });

  it("goes on as a token, and is as large as what is open", () => {
    const told = new Told(JOB);
    for (let i = 0; i < 1_000; i++) told.done({ from: i, to: i + 1 });
    told.toldUpTo(log(1_000), 7n);
    assert.ok(told.token().length < 200);
    const again = Told.of(told.token()) ?? assert.fail();
    assert.deepEqual([again.job, again.areDone({ from: 0, to: 1_000 }), again.endOf(log(1_000))], [JOB, true, 7n]);
  });

  it("is done with what it was told, however the intervals come", () => {
    const interval = fc.tuple(fc.nat(50), fc.integer({ min: 1, max: 5 }));
    fc.assert(
      fc.property(fc.array(interval, { maxLength: 20 }), (intervals) => {
        const told = new Told(JOB);
        const all = new Set<number>();
        for (const [from, size] of intervals) {
          told.done({ from, to: from + size });
          for (let i = from; i < from + size; i++) all.add(i);
        }
        for (let i = 0; i < 60; i++) assert.equal(told.isDone(i), all.has(i));
        assert.equal(Told.of(told.token())?.token(), told.token());
      }),
    );
  });

  it("refuses what is no token", () => {
    const forged = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const bad = ["!", "e30", forged([]), forged(["../x", [], []]), forged([JOB, [[2, 1]], []])];
    for (const token of [...bad, forged([JOB, [], [[1, "w", "1"]]]), forged([JOB, 5, []]), "x".repeat(3_000_000)])
      assert.equal(Told.of(token), undefined, token.slice(0, 40));
  });
});
