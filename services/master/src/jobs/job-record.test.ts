import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { api, dispatch, state, store } from "@sheaf/proto";
import * as change from "./job-record.ts";

const record = () => create(state.JobRecordSchema, { version: 1, state: api.JobState.PROCESSING, outputCommit: "c" });

describe("changes of a job's record", () => {
  it("never touch the record that they are made of", () => {
    const before = record();
    change.withStart(before, 5);
    change.toPlanning(before, { input: create(store.ObjectRefSchema, { key: "work/other" }), earlier: ["j"] });
    change.toEnd(before, { state: api.JobState.FAILED, reason: "R", message: "m" }, 9);
    assert.deepEqual(before, record());
  });

  it("keep the start that was noted first", () => {
    const started = change.withStart(record(), 5_000);
    assert.equal(timestampMs(started.started ?? assert.fail()), 5_000);
    assert.equal(change.withStart(started, 9_000), started);
  });

  it("keep the totals that were fixed first", () => {
    const totals = create(dispatch.TotalsSchema, { succeeded: 3n });
    const merging = change.toMerging(record(), {
      runs: create(state.JobRecordSchema).runs as never,
      parentCommit: "p",
      totals,
      workersMax: 4,
      reason: "",
      message: "",
    });
    const ended = change.toEnd(
      merging,
      { state: api.JobState.STOPPED, reason: "R", message: "" },
      9,
      create(dispatch.TotalsSchema),
    );
    assert.equal(ended.totals?.succeeded, 3n);
  });

  it("cut a message that is too long, between characters", () => {
    const ended = change.toEnd(record(), { state: api.JobState.FAILED, reason: "R", message: "é".repeat(3_000) }, 9);
    assert.ok(Buffer.byteLength(ended.message) <= 2_048);
    assert.match(ended.message, /^é+\.\.\.$/);
  });
});
