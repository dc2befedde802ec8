/** Jobs in words. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { api } from "@sheaf/proto";
import { jobLine, jobProgress, successNotes } from "./job-text.ts";

const job = (fields: MessageInitShape<typeof api.JobSchema>) => create(api.JobSchema, fields);
const { PROCESSING } = api.JobState;

describe("a job in words", () => {
  it("shows its counts as users of Pachyderm know them", () => {
    assert.equal(jobProgress(job({ dataProcessed: 1n, dataTotal: 1n })), "1 + 0 / 1");
    assert.equal(jobProgress(job({ dataSkipped: 1n, dataRecovered: 1n, dataTotal: 2n })), "0 + 1 + 1 / 2");
    assert.equal(jobProgress(job({ dataSkipped: 2n, dataFailed: 1n, dataTotal: 3n })), "0 + 2 / 3");
    assert.equal(jobProgress(job({ dataProcessed: 4_600n, dataTotal: 10_000n })), "4,600 + 0 / 10,000");
  });

  it("says what a result lacks, and nothing when it lacks nothing", () => {
    assert.deepEqual(successNotes(job({ dataProcessed: 3n, dataTotal: 3n })), []);
    const fields = { dataRecovered: 2n, dataFailed: 1n, message: "1 datum has failed" };
    assert.deepEqual(successNotes(job(fields)), [
      "2 datums failed, and err_cmd recovered them: without output",
      "1 datum has failed",
    ]);
  });

  it("counts all that have their outcome while it is processed", () => {
    const counts = { dataProcessed: 1n, dataSkipped: 2n, dataRecovered: 3n, dataFailed: 4n, dataTotal: 20n };
    assert.equal(
      jobLine(job({ state: PROCESSING, ...counts, workers: 2 })),
      "processing: 10/20 datums, 4 failed, 3 recovered, 2 workers",
    );
    const progress = [
      { datum: 7n, progress: "40 %" },
      { datum: 9n, progress: "epoch 3" },
    ];
    assert.equal(
      jobLine(job({ state: PROCESSING, dataTotal: 20n, progress })),
      "processing: 0/20 datums; datum 7: 40 %",
    );
  });
});
