import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { LedgerProgress } from "@sheaf/ledger";
import { api, dispatch, state } from "@sheaf/proto";
import type { LiveJob } from "../jobs/live.ts";
import { demandOf, type JobWork, workOf } from "./demand.ts";

const MIB = 1024 * 1024;
const { CREATED, PLANNING, PROCESSING, MERGING, SUCCEEDED } = api.JobState;

function record(jobState: api.JobState, fields: MessageInitShape<typeof state.JobRecordSchema> = {}) {
  return create(state.JobRecordSchema, { state: jobState, ...fields } as never);
}

function progress(fields: Partial<LedgerProgress>): LiveJob {
  const totals = create(dispatch.TotalsSchema);
  const plain = { n: 8, done: 0, claimed: 0, finished: 0, totals, claims: [], steals: 0, tries: new Map() };
  return {
    waitingFor: "",
    process: { ...plain, msPerIndex: null, ...fields },
    merge: undefined,
    handedOutMs: undefined,
  };
}

const merging = (total: number, done: number): LiveJob => ({
  ...{ waitingFor: "", process: undefined, merge: { total, done }, handedOutMs: undefined },
});
/** Of [0, 8) the worker has finished all before `next` but the last, which runs. */
const runs = (sinceMs: number, next = 1): Partial<LedgerProgress> => ({
  claimed: 8,
  claims: [{ claim: "c", worker: "w", start: 0, end: 8, next, running: [{ index: next - 1, sinceMs }] }],
});
const outputs = (bytes: number) => record(MERGING, { totals: { outputBytes: BigInt(bytes) } } as never);

const rows: readonly [string, state.JobRecord, LiveJob | undefined, number, Partial<JobWork> | undefined][] = [
  ["a job that is over", record(SUCCEEDED), undefined, 1, undefined],
  ["one to plan", record(CREATED), undefined, 1, { kind: "plan", worth: 1 }],
  ["one that plans", record(PLANNING), undefined, 1, { kind: "plan", worth: 1 }],
  ["datums, before the ledger is open", record(PROCESSING, { datums: 8n }), undefined, 1, { left: 8, worth: 8 }],
  ["datums of an unknown cost: each counts", record(PROCESSING), progress({}), 1, { left: 8, worth: 8 }],
  ["slots take several", record(PROCESSING), progress({}), 3, { left: 8, worth: 3 }],
  ["what is finished does not count", record(PROCESSING), progress(runs(9_900, 6)), 1, { left: 3, worth: 3 }],
  ["a straggler alone", record(PROCESSING), progress(runs(9_900, 8)), 1, { left: 1, worth: 1, holders: ["w"] }],
  ["nothing is left", record(PROCESSING), progress({ done: 8 }), 1, undefined],
  [
    "quick datums are not worth a worker each",
    record(PROCESSING),
    progress({ n: 4_000, msPerIndex: 2 }),
    1,
    { worth: 4 },
  ],
  ["they are worth one", record(PROCESSING), progress({ msPerIndex: 0 }), 1, { worth: 1 }],
  [
    "one that has run for long says that the others may",
    record(PROCESSING),
    progress({ msPerIndex: 2, ...runs(4_000) }),
    1,
    { worth: 8 },
  ],
  ["no datums at all", record(PROCESSING, { datums: 0n }), undefined, 1, undefined],
  ["a merge that is not cut", outputs(900 * MIB), merging(0, 0), 1, { kind: "merge", worth: 1 }],
  ["a merge of many bytes is worth workers", outputs(640 * MIB), merging(20, 0), 1, { left: 20, worth: 10 }],
  ["but no more than its shards, whatever the slots", outputs(640 * MIB), merging(3, 0), 8, { worth: 3 }],
  ["a small one is worth one", outputs(6 * MIB), merging(4, 0), 1, { worth: 1 }],
  ["towards its end less is left", outputs(640 * MIB), merging(20, 15), 1, { left: 5, worth: 3 }],
  ["a merge that is done", outputs(640 * MIB), merging(20, 20), 1, undefined],
];

describe("workOf()", () => {
  for (const [name, job, live, slots, expected] of rows) {
    it(name, () => {
      const work = workOf({ id: "j", record: job, live }, slots, 10_000);
      if (expected === undefined) assert.equal(work, undefined);
      else assert.deepEqual({ ...work, ...expected }, work);
    });
  }
});

describe("demandOf()", () => {
  const work = (job: string, kind: JobWork["kind"], left: number, worth = left): JobWork => ({
    job,
    kind,
    left,
    worth,
    holders: [],
  });

  it("adds up what the jobs are worth; they plan one after another", () => {
    const works = [work("j3", "plan", 1), work("j2", "plan", 1), work("j1", "process", 5), work("j0", "merge", 2)];
    assert.deepEqual(demandOf(works, 0), { useful: 8, oldest: "j0", what: "1 plan, 5 datums, 2 shards" });
  });

  it("counts a plan and a shard beside the workers that run datums, however few these are", () => {
    const straggling = { ...work("j1", "process", 2, 1), holders: ["a", "b"] };
    const also = { ...work("j2", "process", 1), holders: ["b"] };
    assert.equal(demandOf([straggling, also], 0).useful, 2, "two workers, of whom one runs both");
    assert.equal(demandOf([straggling, also, work("j3", "plan", 1), work("j0", "merge", 1)], 0).useful, 4);
  });

  it("counts stragglers that would get a backup", () => {
    assert.deepEqual(demandOf([work("j1", "process", 1)], 1), {
      useful: 2,
      oldest: "j1",
      what: "1 datum, 1 straggler",
    });
  });

  it("is nothing without work", () => assert.deepEqual(demandOf([], 0), { useful: 0, oldest: "", what: "" }));
});
