import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "./clock.ts";
import { manualClock } from "./manual-clock.ts";

test("systemClock.sleep() rejects with the reason of an abort, before and while it waits", async () => {
  const reason = new Error("enough");
  await assert.rejects(systemClock.sleep(60_000, AbortSignal.abort(reason)), reason);
  const abort = new AbortController();
  const slept = systemClock.sleep(60_000, abort.signal);
  abort.abort(reason);
  await assert.rejects(slept, reason);
});

test("systemClock.timer() does not fire once cancelled, also by `using`", async () => {
  let fired = 0;
  systemClock.timer(1, () => fired++).cancel();
  {
    using _timer = systemClock.timer(1, () => fired++);
  }
  await systemClock.sleep(5);
  assert.equal(fired, 0);
});

test("manualClock.advance() fires timers in order of time, then of setting", async () => {
  const clock = manualClock();
  const fired: string[] = [];
  clock.timer(20, () => fired.push(`b@${clock.now()}`));
  clock.timer(10, () => fired.push(`a@${clock.now()}`));
  clock.timer(20, () => fired.push(`c@${clock.now()}`));
  clock.timer(31, () => fired.push("late"));
  await clock.advance(30);
  assert.deepEqual(fired, ["a@10", "b@20", "c@20"]);
  assert.equal(clock.now(), 30);
  assert.equal(clock.pending(), 1);
});

test("manualClock.advance() runs a sleeping loop as often as its time allows", async () => {
  const clock = manualClock();
  const abort = new AbortController();
  let rounds = 0;
  const loop = (async () => {
    for (;;) {
      await clock.sleep(1_000, abort.signal);
      rounds++;
    }
  })();
  await clock.advance(10_000);
  assert.equal(rounds, 10);
  abort.abort();
  await assert.rejects(loop, { name: "AbortError" });
  assert.equal(clock.pending(), 0);
});

test("manualClock.until() advances just far enough, and fails when nothing can happen", async () => {
  const clock = manualClock();
  assert.equal(await clock.until(clock.sleep(5_000).then(() => "done")), "done");
  assert.equal(clock.now(), 5_000);
  await assert.rejects(clock.until(new Promise(() => {})), /stands still/);
  const late = clock.sleep(2_000);
  await assert.rejects(clock.until(late, 1_000), /1000 ms/);
});

test("manualClock.wall() moves with time, and jumps alone", async () => {
  const clock = manualClock(1_000_000);
  await clock.advance(5);
  clock.jumpWall(-100);
  assert.equal(clock.wall(), 999_905);
  assert.equal(clock.now(), 5);
});
