import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { api, dispatch } from "@sheaf/proto";
import fc from "fast-check";
import { decide, type JobStep, type JobView, type LedgerView, NOTE_START_AFTER_MS } from "./decide.ts";
import { isTerminal, stateName } from "./states.ts";

const { JobState } = api;
const totals = (fields: Partial<dispatch.Totals>) => create(dispatch.TotalsSchema, fields as never);
const shut: LedgerView = { kind: "shut" };
const open: LedgerView = { kind: "open" };
const done: LedgerView = { kind: "over", gaveUp: false, totals: totals({ succeeded: 5n }) };
const failed: LedgerView = {
  kind: "over",
  gaveUp: false,
  totals: totals({ succeeded: 4n, failed: 1n, firstFailedMessage: "boom" }),
};
const gaveUp: LedgerView = { kind: "over", gaveUp: true, totals: totals({ failed: 1_000n }) };
const broken: LedgerView = { kind: "inconsistent", message: "ledgers/j/process/done/5 overlaps" };

const base: JobView = {
  state: JobState.CREATED,
  datums: 0,
  mayFail: 0,
  archived: false,
  startNoted: false,
  handedOutMs: undefined,
  createdMs: 1_000_000,
  timeoutMs: undefined,
  plan: shut,
  process: shut,
  pipelineStopped: false,
  before: null,
  nowMs: 1_001_000,
};

const before = (state: api.JobState, isReadable = true) => ({ id: "k-1", state, isReadable });
const processing = { state: JobState.PROCESSING, datums: 5, plan: done };

const rows: readonly [string, Partial<JobView>, Partial<JobStep>][] = [
  ["a first job plans at once", {}, { kind: "start-planning" }],
  [
    "a job waits for the one before it to be planned",
    { before: before(JobState.PLANNING) },
    { kind: "wait", waitingFor: "job k-1, the one before it, to be planned" },
  ],
  ["it plans beside one that is processed", { before: before(JobState.PROCESSING, false) }, { kind: "start-planning" }],
  ["it plans after one that has failed", { before: before(JobState.FAILED) }, { kind: "start-planning" }],
  [
    "not before what that has finished can be read",
    { before: before(JobState.FAILED, false) },
    { kind: "wait", waitingFor: "job k-1, the one before it, to be archived" },
  ],
  ["a new owner opens the plan ledger again", { state: JobState.PLANNING }, { kind: "open-plan" }],
  ["a plan that is made is waited for", { state: JobState.PLANNING, plan: open }, { kind: "wait", waitingFor: "" }],
  ["a plan is read when it is made", { state: JobState.PLANNING, plan: done }, { kind: "process" }],
  [
    "a plan that failed fails the job",
    { state: JobState.PLANNING, plan: failed },
    { kind: "end", state: JobState.FAILED, reason: "PLAN_FAILED" },
  ],
  [
    "a plan ledger that contradicts itself",
    { state: JobState.PLANNING, plan: broken },
    { kind: "end", state: JobState.INCONSISTENT },
  ],
  ["a new owner opens the process ledger", { ...processing, plan: shut }, { kind: "open-process" }],
  ["a ledger that is open is waited for", { ...processing, process: open }, { kind: "wait", waitingFor: "" }],
  [
    "a start is noted later",
    { ...processing, process: open, handedOutMs: 1_000_500 },
    { kind: "wait", atMs: 1_000_500 + NOTE_START_AFTER_MS },
  ],
  [
    "a start is noted when it is due",
    { ...processing, process: open, handedOutMs: 900_000 },
    { kind: "note-start", startedMs: 900_000 },
  ],
  ["a start is noted once", { ...processing, process: open, handedOutMs: 900_000, startNoted: true }, { kind: "wait" }],
  ["a job that is processed is merged", { ...processing, process: done }, { kind: "merge" }],
  [
    "not before the one before it is over",
    { ...processing, process: done, before: before(JobState.MERGING) },
    { kind: "wait", waitingFor: "job k-1, the one before it, to end: jobs publish in order" },
  ],
  ["but when that has failed", { ...processing, process: done, before: before(JobState.FAILED) }, { kind: "merge" }],
  ["a job without datums is merged at once", { state: JobState.PROCESSING, datums: 0, plan: done }, { kind: "merge" }],
  [
    "a job without datums waits for its turn as well",
    { state: JobState.PROCESSING, datums: 0, before: before(JobState.PROCESSING) },
    { kind: "wait" },
  ],
  ["a failed datum fails the job", { ...processing, process: failed }, { kind: "fail-datums" }],
  [
    "it does not wait for its turn",
    { ...processing, process: failed, before: before(JobState.PROCESSING) },
    { kind: "fail-datums" },
  ],
  ["a failed datum that may fail does not", { ...processing, process: failed, mayFail: 1 }, { kind: "merge" }],
  ["so does giving up", { ...processing, process: gaveUp }, { kind: "fail-datums" }],
  [
    "a process ledger that contradicts itself",
    { ...processing, process: broken },
    { kind: "end", state: JobState.INCONSISTENT, message: "ledgers/j/process/done/5 overlaps" },
  ],
  ["what is merged is left alone", { state: JobState.MERGING, datums: 5 }, { kind: "wait" }],
  ["what is published is left alone", { state: JobState.PUBLISHING, datums: 5 }, { kind: "wait" }],
  [
    "a stopped pipeline stops what is planned",
    { state: JobState.PLANNING, plan: open, pipelineStopped: true },
    { kind: "end", state: JobState.STOPPED },
  ],
  [
    "and what is merged: the fence decides",
    { state: JobState.MERGING, pipelineStopped: true },
    { kind: "end", state: JobState.STOPPED },
  ],
  [
    "time is over",
    { ...processing, process: open, timeoutMs: 1_000 },
    { kind: "end", state: JobState.FAILED, reason: "JOB_TIMEOUT" },
  ],
  ["time is over in the merge", { state: JobState.MERGING, timeoutMs: 500 }, { kind: "end", reason: "JOB_TIMEOUT" }],
  ["time is not over yet", { ...processing, process: open, timeoutMs: 5_000 }, { kind: "wait", atMs: 1_005_000 }],
  [
    "the sooner time counts",
    { ...processing, process: open, timeoutMs: 1_200, handedOutMs: 1_000_900 },
    { kind: "wait", atMs: 1_001_200 },
  ],
  ["after a stop its ledgers are closed", { state: JobState.STOPPED, process: open }, { kind: "close" }],
  ["also that of its plan", { state: JobState.STOPPED, plan: open }, { kind: "close" }],
  ["then it is archived", { state: JobState.STOPPED, plan: done }, { kind: "archive" }],
  ["what has succeeded is archived", { state: JobState.SUCCEEDED, plan: done, process: done }, { kind: "archive" }],
  [
    "a pipeline that is stopped archives too",
    { state: JobState.SUCCEEDED, pipelineStopped: true },
    { kind: "archive" },
  ],
  ["then it rests", { state: JobState.SUCCEEDED, archived: true }, { kind: "rest" }],
  ["time does not touch what is over", { state: JobState.FAILED, archived: true, timeoutMs: 1 }, { kind: "rest" }],
];

describe("decide() for a job", () => {
  for (const [name, view, expected] of rows) {
    it(name, () => {
      const step = decide({ ...base, ...view });
      assert.deepEqual({ ...step, ...expected }, step);
    });
  }
});

const ledger = fc.constantFrom(shut, open, done, failed, gaveUp, broken);
const state = fc.constantFrom(...Object.values(JobState).filter((each) => each !== JobState.UNSPECIFIED));
const view: fc.Arbitrary<JobView> = fc.record({
  state,
  datums: fc.constantFrom(0, 5),
  mayFail: fc.constantFrom(0, 1, 5),
  archived: fc.boolean(),
  startNoted: fc.boolean(),
  handedOutMs: fc.option(fc.integer({ min: 0, max: 10_000 }), { nil: undefined }),
  createdMs: fc.integer({ min: 0, max: 10_000 }),
  timeoutMs: fc.option(fc.integer({ min: 1, max: 10_000 }), { nil: undefined }),
  plan: ledger,
  process: ledger,
  pipelineStopped: fc.boolean(),
  before: fc.option(fc.record({ id: fc.constant("k-1"), state, isReadable: fc.boolean() })),
  nowMs: fc.integer({ min: 0, max: 30_000 }),
});

describe("decide() keeps its rules for every view", () => {
  it("J2, J3: nothing but closing and archiving happens after the end", () => {
    fc.assert(
      fc.property(view, (each) => {
        const { kind } = decide(each);
        assert.equal(
          isTerminal(each.state),
          ["close", "archive", "rest"].includes(kind),
          `${stateName(each.state)}: ${kind}`,
        );
      }),
    );
  });

  it("J4: a job merges only when the one before it is over", () => {
    fc.assert(
      fc.property(view, (each) => {
        if (decide(each).kind === "merge") assert.ok(each.before === null || isTerminal(each.before.state));
      }),
    );
  });

  it("a job with more failed datums than may fail never merges, nor one that was given up", () => {
    fc.assert(
      fc.property(view, (each) => {
        if (each.process.kind !== "over" || each.datums === 0) return;
        if (each.process.gaveUp || each.process.totals.failed > each.mayFail)
          assert.notEqual(decide(each).kind, "merge");
      }),
    );
  });

  it("a wait ends in the future, and never later than the job's time limit", () => {
    fc.assert(
      fc.property(view, (each) => {
        const step = decide(each);
        if (step.kind !== "wait" || step.atMs === undefined) return;
        assert.ok(step.atMs > each.nowMs);
        if (each.timeoutMs !== undefined) assert.ok(step.atMs <= each.createdMs + each.timeoutMs);
      }),
    );
  });
});
