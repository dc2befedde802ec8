import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { backoff, retry } from "./backoff.ts";
import { SheafError, unavailable } from "./errors.ts";
import { manualClock } from "./manual-clock.ts";
import { seededRandom } from "./random.ts";

const always = () => true;

test("backoff() stays between base and cap, grows at most threefold, and starts anew after reset()", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const waits = backoff({ baseMs: 10, capMs: 500, random: seededRandom(seed) });
      let last = 10;
      for (let i = 0; i < 30; i++) {
        const wait = waits.next();
        assert.ok(wait >= 10 && wait <= Math.min(500, last * 3), `${wait} after ${last}`);
        last = wait;
      }
      waits.reset();
      assert.ok(waits.next() <= 30);
    }),
  );
});

test("retry() tries again what is transient and throws the rest at once", async () => {
  const clock = manualClock();
  let calls = 0;
  const flaky = async () => {
    calls++;
    if (calls < 4) throw unavailable("X", "away");
    return calls;
  };
  assert.equal(await clock.until(retry(flaky, { transient: always, clock })), 4);
  const fatal = async () => {
    throw new Error("fatal");
  };
  await assert.rejects(retry(fatal, { transient: () => false, clock }), /fatal/);
});

test("retry() gives up at its deadline, with the last error, and never waits past it", async () => {
  const clock = manualClock();
  let calls = 0;
  const failing = retry(
    async () => {
      throw unavailable("X", `call ${++calls}`);
    },
    { transient: always, deadlineMs: 1_000, clock },
  );
  await assert.rejects(clock.until(failing), (error: SheafError) => error.message === `call ${calls}`);
  assert.ok(clock.now() <= 1_000 && calls > 2);
});

test("retry() waits at least what the error asks for", async () => {
  const clock = manualClock();
  const failing = retry(
    async () => {
      throw new SheafError("UNAVAILABLE", "X", "later", { retryDelayMs: 700 });
    },
    { transient: always, maxAttempts: 3, clock },
  );
  await assert.rejects(clock.until(failing));
  assert.ok(clock.now() >= 1_400);
});

test("retry() ends at once on abort: while it waits, and while an attempt hangs", async () => {
  const reason = new Error("stop");
  for (const fn of [() => Promise.reject(unavailable("X", "x")), () => new Promise<never>(() => {})]) {
    const clock = manualClock();
    const abort = new AbortController();
    const running = retry(fn, { transient: always, signal: abort.signal, clock });
    setImmediate(() => abort.abort(reason));
    await assert.rejects(running, reason);
    assert.equal(clock.pending(), 0);
  }
});
