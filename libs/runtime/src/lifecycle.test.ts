import assert from "node:assert/strict";
import { test } from "node:test";
import { stressLifecycle } from "./lifecycle.suite.ts";
import { type Component, Lifecycle } from "./lifecycle.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

interface PartOptions {
  readonly failStart?: boolean;
  readonly failStop?: boolean;
  readonly gate?: Promise<void>;
}

function part(name: string, calls: string[], options: PartOptions = {}): Component {
  return {
    async start() {
      calls.push(`start ${name}`);
      await options.gate;
      if (options.failStart) throw new Error(`${name} does not start`);
    },
    async drain() {
      calls.push(`drain ${name}`);
    },
    async stop() {
      calls.push(`stop ${name}`);
      if (options.failStop) throw new Error(`${name} does not stop`);
    },
  };
}

test("Lifecycle starts in order, drains and stops in reverse, each once", async () => {
  const calls: string[] = [];
  const all = new Lifecycle([part("a", calls), part("b", calls)]);
  await Promise.all([all.start(), all.start()]);
  await all.drain(performance.now() + 1_000);
  await Promise.all([all.stop(), all.stop()]);
  await all.stop();
  assert.deepEqual(calls, ["start a", "start b", "drain b", "drain a", "stop b", "stop a"]);
});

test("a start that fails stops what ran before it, and only that", async () => {
  const calls: string[] = [];
  const all = new Lifecycle([
    part("a", calls, { failStop: true }),
    part("b", calls, { failStart: true }),
    part("c", calls),
  ]);
  await assert.rejects(all.start(), /b does not start/);
  await all.stop();
  assert.deepEqual(calls, ["start a", "start b", "stop a"]);
});

test("stop() waits for a start under way, and the parts behind it never start", async () => {
  const calls: string[] = [];
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const all = new Lifecycle([part("a", calls, { gate }), part("b", calls)]);
  const started = assert.rejects(all.start(), { reason: "STOPPED" });
  const stopped = all.stop();
  await turn();
  assert.deepEqual(calls, ["start a"]);
  open();
  await Promise.all([started, stopped]);
  assert.deepEqual(calls, ["start a", "stop a"]);
});

test("stop() stops everything whatever fails, and then tells what did", async () => {
  const calls: string[] = [];
  const all = new Lifecycle([
    part("a", calls, { failStop: true }),
    part("b", calls, { failStop: true }),
    part("c", calls),
  ]);
  await all.start();
  await assert.rejects(all.stop(), /2 parts failed: b does not stop; a does not stop/);
  assert.deepEqual(calls.slice(3), ["stop c", "stop b", "stop a"]);
});

test("start() after stop() is refused", async () => {
  const all = new Lifecycle([]);
  await all.stop();
  await assert.rejects(all.start(), { code: "FAILED_PRECONDITION" });
});

test("Lifecycle passes the stress and leaves nothing running", async () => {
  let running = 0;
  const slow = (): Component => ({
    async start() {
      await turn();
      running++;
    },
    async stop() {
      await turn();
      running--;
    },
  });
  await stressLifecycle(() => new Lifecycle([slow(), slow(), slow()]), {
    check: () => assert.equal(running, 0),
  });
});

test("the stress finds a component that starts after its stop", async () => {
  await assert.rejects(
    stressLifecycle(() => ({ start: async () => {}, stop: async () => {} })),
    { reason: "CONTRACT_BROKEN" },
  );
});
