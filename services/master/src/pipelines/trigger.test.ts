import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { api } from "@sheaf/proto";
import { decideTrigger, OPEN_JOBS_MAX, type TriggerView } from "./trigger.ts";

const { JobState } = api;
const first: TriggerView = { stopped: false, heads: ["c1"], pinned: null, newest: null, open: 0 };
const later: TriggerView = { ...first, heads: ["c2"], pinned: ["c1"], newest: JobState.PROCESSING, open: 1 };

const rows: readonly [string, TriggerView, boolean][] = [
  ["a first commit makes a job", first, true],
  ["a branch without a commit makes none", { ...first, heads: [""] }, false],
  ["a new commit makes a job", later, true],
  ["the commit that the newest job has pinned makes none", { ...later, heads: ["c1"] }, false],
  [
    "a job that was stopped or has failed is not made again by itself",
    { ...later, heads: ["c1"], newest: JobState.FAILED },
    false,
  ],
  ["while the newest job is not planned, commits are coalesced", { ...later, newest: JobState.PLANNING }, false],
  ["also while it waits to plan", { ...later, newest: JobState.CREATED }, false],
  ["a job that ended before its plan holds nothing up", { ...later, newest: JobState.STOPPED }, true],
  ["a stopped pipeline makes none", { ...later, stopped: true }, false],
  ["an input that the newest job did not have is new", { ...later, heads: ["c9"], pinned: [undefined] }, true],
  ["one new head of several is enough", { ...later, heads: ["c1", "d2"], pinned: ["c1", "d1"] }, true],
  ["too many jobs hold commits back", { ...later, open: OPEN_JOBS_MAX }, false],
];

describe("decideTrigger()", () => {
  for (const [name, view, creates] of rows) {
    it(name, () => assert.equal(decideTrigger(view).kind, creates ? "create" : "nothing"));
  }
});
