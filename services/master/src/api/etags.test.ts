// Changes that say what they were made upon, and requests that are safe to repeat.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { api } from "@sheaf/proto";
import { message, testEtcd } from "../master.test-kit.ts";

const etcd = testEtcd();
const MISMATCH = { code: "ABORTED", reason: "ETAG_MISMATCH" };

async function begun(cluster: Awaited<ReturnType<typeof etcd.cluster>>) {
  const master = await cluster.master();
  await master.createRepo("in");
  const commits = [await master.put("in", { "/a": "1" }), await master.put("in", { "/a": "2" })].map(({ id }) => id);
  return { master, commits };
}

describe("a branch", () => {
  it("moves only from where it was read, once per request id", async () => {
    await using cluster = await etcd.cluster();
    const { master, commits } = await begun(cluster);
    const [first = "", second = ""] = commits;
    const move = (fields: object) =>
      master.repos.putBranch(
        message(api.PutBranchRequestSchema, { repo: "in", branch: "b", commit: first, ...fields }),
      );
    await assert.rejects(move({ etag: "1" }), MISMATCH);
    const made = await move({ requestId: "r1" });
    assert.deepEqual(await move({ requestId: "r1" }), made);
    await assert.rejects(move({ requestId: "r1", commit: second }), { reason: "REQUEST_ID_REUSED" });
    const moved = await move({ etag: made.branch.etag, commit: second });
    assert.notEqual(moved.branch.etag, made.branch.etag);
    await assert.rejects(move({ etag: made.branch.etag }), MISMATCH);
    const { repo } = await master.repos.inspectRepo(message(api.InspectRepoRequestSchema, { name: "in" }));
    assert.deepEqual(
      repo.branches.find(({ name }) => name === "b"),
      moved.branch,
    );
    assert.deepEqual(await move({ requestId: "r1" }), made, "the same answer, though it moved on");
  });
});

describe("a pipeline", () => {
  it("20 is updated once per request id, and its etag is then another", async () => {
    await using cluster = await etcd.cluster();
    const { master } = await begun(cluster);
    const { etag } = await master.createPipeline("words", "in");
    const update = (salt: string) => {
      const transform = { cmd: ["true"] };
      const spec = { pipeline: { name: "words" }, transform, input: { pfs: { repo: "in", glob: "/*" } }, salt };
      return master.pipelines.updatePipeline(message(api.UpdatePipelineRequestSchema, { etag, requestId: "u1", spec }));
    };
    const first = await update("a");
    assert.deepEqual([first.pipeline.version, (await update("a")).pipeline.version], [2n, 2n]);
    await assert.rejects(update("b"), { code: "ALREADY_EXISTS", reason: "REQUEST_ID_REUSED" });
  });

  it("is deleted only as it was looked at", async () => {
    await using cluster = await etcd.cluster();
    const { master } = await begun(cluster);
    const { etag } = await master.createPipeline("words", "in");
    await master.pipelines.stopPipeline(message(api.StopPipelineRequestSchema, { name: "words" }));
    const remove = (tag: string) =>
      master.pipelines.deletePipeline(message(api.DeletePipelineRequestSchema, { name: "words", etag: tag }));
    await assert.rejects(remove(etag), MISMATCH);
    const seen = await master.pipelines.inspectPipeline(message(api.InspectPipelineRequestSchema, { name: "words" }));
    await remove(seen.pipeline.etag);
  });
});

describe("lists", () => {
  it("are filtered by state, name and time", async () => {
    await using cluster = await etcd.cluster();
    const { master, commits } = await begun(cluster);
    for (const name of ["words", "words-2", "other"]) {
      await master.createPipeline(name, "in");
      await master.jobWhen(name, () => true);
    }
    await master.pipelines.stopPipeline(message(api.StopPipelineRequestSchema, { name: "other" }));
    const pipelines = async (...states: api.PipelineState[]) => {
      const answer = await master.pipelines.listPipelines(message(api.ListPipelinesRequestSchema, { states }));
      return answer.pipelines.map(({ name }) => name);
    };
    assert.deepEqual(await pipelines(api.PipelineState.STOPPED), ["other"]);
    assert.deepEqual(await pipelines(), ["other", "words", "words-2"]);

    const jobs = async (fields: object) =>
      (await master.jobs.listJobs(message(api.ListJobsRequestSchema, fields))).jobs;
    assert.equal((await jobs({ pipelinePrefix: "words" })).length, 2);
    const [newest, , oldest] = await jobs({});
    const [since, before] = [newest?.created, newest?.created];
    assert.ok(since && before && oldest);
    assert.deepEqual((await jobs({ createdSince: since })).map(({ id }) => id).includes(newest?.id ?? ""), true);
    assert.equal(
      (await jobs({ createdBefore: before })).some(({ id }) => id === newest?.id),
      false,
    );
    await assert.rejects(jobs({ createdSince: { seconds: -1n } }), {
      code: "INVALID_ARGUMENT",
      reason: "TIME_INVALID",
    });

    const list = async (fields: object) => {
      const answer = await master.repos.listCommits(message(api.ListCommitsRequestSchema, { repo: "in", ...fields }));
      return answer.commits;
    };
    const [second, first] = await list({});
    assert.deepEqual([first?.id, second?.id], commits);
    assert.deepEqual(await list({ createdBefore: first?.created }), []);
    assert.ok((await list({ createdSince: second?.created })).some(({ id }) => id === second?.id));
  });
});
