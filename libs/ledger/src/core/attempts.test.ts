import assert from "node:assert/strict";
import { test } from "node:test";
import { Attempts } from "./attempts.ts";

test("Attempts counts user failures and lost workers apart (L9)", () => {
  const attempts = new Attempts();
  assert.deepEqual(attempts.tried(7, 1), { tries: 1, lostWorkers: [] });
  assert.equal(attempts.tried(7, 1), null, "said twice is said once");
  attempts.lost(7, "w1");
  assert.deepEqual(attempts.tried(7, 2), { tries: 2, lostWorkers: ["w1"] });
  assert.deepEqual(attempts.prior(0, 10), [{ index: 7, tries: 2, losses: 1, quarantined: false }]);
  assert.deepEqual(attempts.prior(8, 10), []);
});

test("Attempts quarantines a datum that three distinct workers were lost with", () => {
  const attempts = new Attempts();
  for (const worker of ["w1", "w1", "w2"]) attempts.lost(3, worker);
  assert.equal(attempts.prior(3, 4)[0]?.quarantined, false);
  assert.deepEqual(attempts.suspects, [3]);
  attempts.lost(3, "w3");
  assert.deepEqual(attempts.suspects, []);
  assert.deepEqual(attempts.prior(3, 4), [{ index: 3, tries: 0, losses: 3, quarantined: true }]);
  attempts.forget([3]);
  assert.deepEqual(attempts.prior(0, 10), []);
});

test("Attempts keeps at most 1,000 datums (L10)", () => {
  const attempts = new Attempts();
  for (let index = 0; index < 1_000; index++) assert.ok(attempts.tried(index, 1));
  assert.equal(attempts.tried(1_000, 1), null);
  assert.ok(attempts.tried(5, 2), "those that it has, it keeps");
  attempts.forget([5]);
  assert.ok(attempts.tried(1_000, 1));
});
