import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  askOf,
  CONNECT_MS_MAX,
  DRAIN_MS_MAX,
  decide,
  IDLE_MS,
  type PoolStep,
  type PoolView,
  type Room,
  type WorkerView,
} from "./decide.ts";
import { type Demand, NO_DEMAND } from "./demand.ts";
import { afterExit, type Failures, YOUNG_MS } from "./failures.ts";

const worker = (id: string, fields: Partial<WorkerView> = {}): WorkerView => ({
  id,
  ours: true,
  leaving: false,
  toldMs: undefined,
  connected: true,
  outdated: false,
  trouble: undefined,
  claims: 1,
  idleMs: 0,
  sinceMs: 0,
  ...fields,
});
const ROOMY: Room = { share: Number.POSITIVE_INFINITY, free: Number.POSITIVE_INFINITY };
const pool = (limit: number, workers: WorkerView[] = [], fields: Partial<PoolView> = {}): PoolView => ({
  limit,
  autoscaling: false,
  demand: NO_DEMAND,
  workers,
  failures: null,
  nowMs: 1_000,
  ...fields,
});
const young = (count: number, lastMs = 1_000): Failures => ({ count, lastMs, why: "exit code 2: no store" });

const rows: readonly [string, PoolView, Partial<PoolStep>][] = [
  ["P1: an empty pool is filled", pool(3), { create: 3, drain: [], remove: [], doing: "starting 3 of 3 workers" }],
  [
    "P1: a full one is left alone",
    pool(2, [worker("a"), worker("b")]),
    { create: 0, drain: [], remove: [], atMs: undefined, doing: "", wanted: 2 },
  ],
  [
    "P1: workers that start count",
    pool(1, [worker("a", { connected: false, claims: 0 })]),
    { create: 0, remove: [], doing: "1 of 1 workers are starting", atMs: CONNECT_MS_MAX },
  ],
  ["P1: workers that leave do not", pool(1, [worker("a", { leaving: true })]), { create: 1, drain: [], remove: [] }],
  [
    "P6: workers of another number of slots are drained, and replaced at once",
    pool(2, [worker("a", { outdated: true }), worker("b"), worker("c", { outdated: true, leaving: true })]),
    { create: 1, drain: ["a"], remove: [] },
  ],
  ["P2: the first young death is replaced at once", pool(1, [], { failures: young(1) }), { create: 1 }],
  [
    "P2: after the second the next waits",
    pool(1, [], { failures: young(2) }),
    { create: 0, atMs: 1_500, failing: undefined },
  ],
  ["P2: longer each time", pool(1, [], { failures: young(5) }), { create: 0, atMs: 5_000 }],
  ["P2: but not for ever", pool(1, [], { failures: young(50) }), { create: 0, atMs: 31_000 }],
  ["P2: and is then tried", pool(1, [], { failures: young(5, 0), nowMs: 4_000 }), { create: 1 }],
  [
    "P2: a pipeline whose workers die young is failing",
    pool(1, [], { failures: young(3) }),
    { failing: "its workers end soon after they start, 3 times in a row; the last one: exit code 2: no store" },
  ],
  ["a stopped pipeline does not fail", pool(0, [], { failures: young(9) }), { failing: undefined, create: 0 }],
  [
    "P3: what is too much is drained, idle ones first",
    pool(1, [worker("a", { claims: 2 }), worker("b", { claims: 0 }), worker("c")]),
    { create: 0, drain: ["b", "c"], remove: [] },
  ],
  [
    "P3: one without a session cannot be told, and goes first",
    pool(1, [worker("a"), worker("b", { connected: false, claims: 0 })]),
    { drain: [], remove: ["b"] },
  ],
  ["P3: all go when none is wanted", pool(0, [worker("a"), worker("b")]), { drain: ["a", "b"], create: 0 }],
  [
    "P3: one that was told is not told again",
    pool(0, [worker("a", { leaving: true, toldMs: 500, claims: 0 })]),
    { drain: [], remove: [], atMs: 500 + DRAIN_MS_MAX },
  ],
  [
    "P3: it is ended when it takes too long",
    pool(0, [worker("a", { leaving: true, toldMs: 500, claims: 0 })], { nowMs: 500 + DRAIN_MS_MAX }),
    { remove: ["a"], atMs: undefined },
  ],
  [
    "P3: but not while it holds something, or that would be run twice",
    pool(0, [worker("a", { leaving: true, toldMs: 500, claims: 1 })], { nowMs: 500 + 9 * DRAIN_MS_MAX }),
    { remove: [], drain: [], atMs: 1_500 + 9 * DRAIN_MS_MAX },
  ],
  [
    "P3: or when its session is over and it is still there",
    pool(0, [worker("a", { leaving: true, toldMs: 500, connected: false })]),
    { remove: ["a"] },
  ],
  [
    "P4: a worker that never connects is replaced",
    pool(1, [worker("a", { connected: false })], { nowMs: CONNECT_MS_MAX }),
    { create: 1, remove: ["a"] },
  ],
  [
    "P4: one whose master has just begun is given time",
    pool(1, [worker("a", { connected: false, sinceMs: 900 })]),
    { create: 0, remove: [] },
  ],
  [
    "P5: connected workers of another master count",
    pool(2, [worker("a"), worker("b", { ours: false })]),
    { create: 0, drain: [], remove: [], doing: "" },
  ],
  [
    "P5: and so do those that are expected, until their keys are gone",
    pool(3, [worker("a"), worker("b", { ours: false, connected: false })]),
    { create: 1, drain: [], remove: [], atMs: 2_000 },
  ],
  [
    "P5: nobody goes because one more is expected",
    pool(1, [worker("a"), worker("b", { ours: false, connected: false })]),
    { create: 0, drain: [], remove: [] },
  ],
  [
    "P5: what is too much is drained wherever it runs; of two that hold as much the one that runs elsewhere goes",
    pool(1, [worker("a"), worker("b", { ours: false })]),
    { drain: ["b"], remove: [] },
  ],
  [
    "P5: another master's worker is not ended by force",
    pool(0, [worker("a", { ours: false, leaving: true, toldMs: 500 })], { nowMs: 500 + 2 * DRAIN_MS_MAX }),
    { drain: [], remove: [], atMs: undefined },
  ],
];

describe("decide() for a pool", () => {
  for (const [name, view, expected] of rows) {
    it(name, () => {
      const step = decide(view, ROOMY);
      assert.deepEqual({ ...step, ...expected }, step);
    });
  }

  it("never wants more or fewer than are wanted, and never tells a worker twice", () => {
    const any: fc.Arbitrary<WorkerView> = fc.record({
      id: fc.uuid(),
      ours: fc.boolean(),
      leaving: fc.boolean(),
      toldMs: fc.option(fc.integer({ min: 0, max: 100_000 }), { nil: undefined }),
      connected: fc.boolean(),
      outdated: fc.boolean(),
      trouble: fc.constantFrom(undefined, "no node can take its pod"),
      claims: fc.nat(3),
      idleMs: fc.integer({ min: 0, max: 100_000 }),
      sinceMs: fc.integer({ min: 0, max: 100_000 }),
    });
    const workers = fc.uniqueArray(any, { selector: (each) => each.id, maxLength: 20 });
    fc.assert(
      fc.property(fc.nat(10), workers, fc.integer({ min: 0, max: 200_000 }), (wanted, some, nowMs) => {
        const told = some.map((each) => (each.leaving ? each : { ...each, toldMs: undefined }));
        const isExpected = (each: WorkerView) => !each.ours && !each.connected && !each.leaving;
        const expected = told.filter(isExpected).length;
        const step = decide(pool(wanted, told, { nowMs }), ROOMY);
        const gone = new Set([
          ...step.drain,
          ...step.remove,
          ...told.filter((each) => each.leaving).map((each) => each.id),
        ]);
        const left = told.filter((each) => !gone.has(each.id) && !isExpected(each)).length;
        assert.ok(left <= wanted);
        assert.equal(step.create, Math.max(0, wanted - left - expected));
        assert.ok(step.remove.every((id) => told.some((each) => each.id === id && each.ours)));
        assert.equal(
          new Set(step.drain).size + new Set(step.remove).size,
          new Set([...step.drain, ...step.remove]).size,
        );
        assert.ok(step.drain.every((id) => told.some((each) => each.id === id && each.connected && !each.leaving)));
      }),
    );
  });
});

const waits = (useful: number): Demand => ({ useful, oldest: useful > 0 ? "j1" : "", what: `${useful} datums` });
const scaled = (limit: number, useful: number, workers: WorkerView[] = [], fields: Partial<PoolView> = {}): PoolView =>
  pool(limit, workers, { autoscaling: true, demand: waits(useful), nowMs: 10_000, ...fields });
/** Idle since so many milliseconds before the 10,000 that it is now. */
const idle = (id: string, forMs: number, fields: Partial<WorkerView> = {}) =>
  worker(id, { claims: 0, idleMs: 10_000 - forMs, ...fields });
const busy = (id: string) => worker(id);

const scaling: readonly [string, PoolView, Partial<Room>, Partial<PoolStep>][] = [
  ["nothing to do, nobody there", scaled(4, 0), {}, { wanted: 0, create: 0, atMs: undefined, why: "nothing to do" }],
  ["a job to plan", scaled(4, 1), {}, { wanted: 1, create: 1, doing: "starting 1 of 1 workers" }],
  ["as many as there is work for", scaled(4, 3, [busy("a")]), {}, { wanted: 3, create: 2, why: "3 datums to do" }],
  [
    "but not more than the limit",
    scaled(4, 8, [busy("a")]),
    {},
    { wanted: 4, create: 3, why: "8 datums to do, for which parallelism_spec allows 4" },
  ],
  [
    "an idle worker stays for a while",
    scaled(4, 1, [busy("a"), idle("b", IDLE_MS - 1)]),
    {},
    { wanted: 2, create: 0, drain: [], atMs: 10_001, why: "1 datums to do; 1 had work until a moment ago" },
  ],
  [
    "and then goes, though a straggler runs",
    scaled(4, 1, [busy("a"), idle("b", IDLE_MS), idle("c", 10)]),
    {},
    { wanted: 2, drain: ["b"], remove: [] },
  ],
  ["the last one as well", scaled(4, 0, [idle("a", IDLE_MS)]), {}, { wanted: 0, drain: ["a"] }],
  [
    "a worker that still works is never told to go because there seems to be less to do",
    scaled(4, 1, [busy("a"), busy("b")]),
    {},
    { wanted: 2, drain: [], why: "1 datums to do, on 2 workers that are still at it" },
  ],
  [
    "one alone neither",
    scaled(4, 0, [busy("a")]),
    {},
    { wanted: 1, drain: [], why: "nothing new to do, on a worker that is still at it" },
  ],
  [
    "of those that are idle the one goes that has been so for longest",
    scaled(4, 2, [idle("a", IDLE_MS), idle("b", 2 * IDLE_MS), idle("c", IDLE_MS + 1)]),
    {},
    { wanted: 2, drain: ["b"] },
  ],
  [
    "one that starts is not ended because another was faster",
    scaled(4, 1, [busy("a"), idle("b", 900, { connected: false, sinceMs: 9_100 })]),
    {},
    { wanted: 2, drain: [], remove: [] },
  ],
  [
    "idle ones are work's first, before others are started",
    scaled(4, 3, [idle("a", 9_000)]),
    {},
    { create: 2, drain: [] },
  ],
  [
    "P7: no more than the share",
    scaled(4, 4, [busy("a")]),
    { share: 2 },
    { wanted: 2, create: 1, why: "the limit of the cluster leaves 2 to this pipeline, which could use 4 (4 datums)" },
  ],
  [
    "P7: a busy one goes when the share says so, but an idle one first",
    scaled(4, 4, [busy("a"), idle("b", 1), busy("c")]),
    { share: 1 },
    { drain: ["b", "a"] },
  ],
  ["P7: nobody is started without room", scaled(4, 4, [busy("a")]), { free: 1 }, { wanted: 4, create: 1 }],
  [
    "P7: and it says so",
    scaled(4, 4, [busy("a")]),
    { free: 0 },
    { create: 0, doing: "waiting for room: the limit of the cluster is reached" },
  ],
  ["a stopped pipeline keeps nobody", scaled(0, 5, [busy("a"), idle("b", 1)]), {}, { wanted: 0, drain: ["b", "a"] }],
];

describe("decide() with autoscaling", () => {
  for (const [name, view, room, expected] of scaling) {
    it(name, () => {
      const step = decide(view, { ...ROOMY, ...room });
      assert.deepEqual({ ...step, ...expected }, step);
    });
  }
});

describe("askOf()", () => {
  it("asks for what has work, and would keep the others", () => {
    assert.deepEqual(askOf("p", scaled(4, 2, [busy("a"), idle("b", 1), idle("c", 1)])), {
      ...{ pipeline: "p", oldest: "j1", need: 2, keep: 1 },
    });
    assert.deepEqual(askOf("p", scaled(4, 9)), { pipeline: "p", oldest: "j1", need: 4, keep: 0 });
    assert.deepEqual(askOf("p", pool(4, [busy("a"), idle("b", 1)])), { pipeline: "p", oldest: "", need: 1, keep: 3 });
  });
});

describe("afterExit()", () => {
  it("counts young deaths in a row, and forgets them when one has lived", () => {
    const one = afterExit(null, 100, "a", 1);
    const two = afterExit(one, YOUNG_MS - 1, "b", 2);
    assert.deepEqual(two, { count: 2, lastMs: 2, why: "b" });
    assert.equal(afterExit(two, YOUNG_MS, "c", 3), null);
  });
});
