import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { manualClock, seededRandom, testLogger } from "@sheaf/runtime";
import { WakeLoop } from "./wake-loop.ts";

function loop(step: () => Promise<number | undefined>) {
  const clock = manualClock();
  return { clock, loop: new WakeLoop({ name: "test", clock, random: seededRandom(1), log: testLogger(), step }) };
}

describe("WakeLoop", () => {
  it("W1: a wake in the middle of a step leads to one more", async () => {
    let steps = 0;
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    const { loop: woken } = loop(async () => {
      if (++steps === 1) await first.promise;
      else second.resolve();
      return undefined;
    });
    woken.wake();
    await Promise.resolve();
    woken.wake();
    woken.wake();
    first.resolve();
    await second.promise;
    await woken.stop();
    assert.equal(steps, 2);
  });

  it("runs again when a step asks for it, and a wake before that does not double it", async () => {
    const at: number[] = [];
    const { clock, loop: woken } = loop(async () => {
      at.push(clock.now());
      return at.length < 4 ? 1_000 : undefined;
    });
    woken.wake();
    await clock.advance(500);
    woken.wake();
    await clock.advance(10_000);
    assert.deepEqual(at, [0, 500, 1_500, 2_500]);
    assert.equal(clock.pending(), 0);
    await woken.stop();
  });

  it("W2: a step that throws is tried again, later each time", async () => {
    let steps = 0;
    const { clock, loop: woken } = loop(async () => {
      if (++steps < 5) throw new Error("etcd is away");
      return undefined;
    });
    woken.wake();
    await clock.advance(60_000);
    assert.equal(steps, 5);
    await woken.stop();
  });

  it("W3: stop waits for the step, and leaves no timer", async () => {
    let ended = false;
    const going = Promise.withResolvers<void>();
    const { clock, loop: woken } = loop(async () => {
      await going.promise;
      ended = true;
      return 1_000;
    });
    woken.wake();
    await Promise.resolve();
    const stopped = woken.stop();
    going.resolve();
    await stopped;
    assert.ok(ended);
    assert.equal(clock.pending(), 0);
    woken.wake();
    assert.equal(clock.pending(), 0);
  });
});
