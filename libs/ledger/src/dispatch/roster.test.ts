import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import type { Lease } from "@sheaf/etcd";
import { dispatch } from "@sheaf/proto";
import { type Clock, testLogger } from "@sheaf/runtime";
import { Roster } from "./roster.ts";
import { DEFAULT_TIMING } from "./timing.ts";
import { WorkerSession } from "./worker-session.ts";

const { beatMs, brokenGraceMs } = DEFAULT_TIMING;

/** A roster of one worker whose stream breaks at a time, and whose timers come when the test says so: its loop may be blocked. */
function broken(at = 0) {
  const it = { now: 0, gone: [] as string[], due: [] as (() => void)[] };
  const clock: Clock = {
    now: () => it.now,
    wall: () => it.now,
    sleep: () => assert.fail(),
    timer: (_, callback) => {
      it.due.push(callback);
      return { cancel: () => {}, [Symbol.dispose]: () => {} };
    },
  };
  const onGone = ({ worker }: WorkerSession) => void it.gone.push(worker);
  const roster = new Roster({ clock, log: testLogger(), timing: DEFAULT_TIMING, onGone });
  const session = new WorkerSession(create(dispatch.HelloSchema, { worker: "w" }), {} as Lease, 0);
  roster.add(session);
  it.now = at;
  roster.broken(session);
  return { it, roster, session };
}

test("a stream that broke may come back within the grace, and is gone after it", () => {
  const { it, roster } = broken();
  it.now = brokenGraceMs - 1;
  roster.look();
  assert.deepEqual(it.gone, []);
  it.now = brokenGraceMs;
  roster.look();
  assert.deepEqual(it.gone, ["w"]);
});

test("time in which the owner itself was blocked does not count for the grace", () => {
  const { it, roster } = broken(beatMs / 2);
  it.now = 3 * beatMs;
  roster.tick(beatMs);
  assert.deepEqual(it.gone, []);
  it.now = 4 * beatMs;
  roster.tick(beatMs);
  assert.deepEqual(it.gone, ["w"]);
});

test("what has come by the end of the grace is heard before anybody is judged", () => {
  const { it, session } = broken();
  it.now = brokenGraceMs;
  it.due.shift()?.();
  assert.deepEqual(it.gone, []);
  session.attach({ send: async () => {}, close: () => {} } as never, it.now);
  it.due.shift()?.();
  assert.deepEqual(it.gone, []);
});
