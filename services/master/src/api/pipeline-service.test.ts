import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { api } from "@sheaf/proto";
import { message, type TestMaster, testEtcd } from "../master.test-kit.ts";

const etcd = testEtcd();
const { JobState, PipelineState } = api;

const inspect = async (master: TestMaster, name: string) =>
  (await master.pipelines.inspectPipeline(message(api.InspectPipelineRequestSchema, { name }))).pipeline;
const update = (master: TestMaster, name: string, repo: string, etag = "", parts: object = {}) =>
  master.pipelines.updatePipeline(
    message(api.UpdatePipelineRequestSchema, {
      etag,
      spec: { pipeline: { name }, transform: { cmd: ["true"] }, input: { pfs: { repo, glob: "/*" } }, ...parts },
    }),
  );
const run = (master: TestMaster, name: string, requestId = "") =>
  master.pipelines.runPipeline(message(api.RunPipelineRequestSchema, { name, requestId }));
const stop = (master: TestMaster, name: string) =>
  master.pipelines.stopPipeline(message(api.StopPipelineRequestSchema, { name }));
const start = (master: TestMaster, name: string) =>
  master.pipelines.startPipeline(message(api.StartPipelineRequestSchema, { name }));
const remove = (master: TestMaster, name: string) =>
  master.pipelines.deletePipeline(message(api.DeletePipelineRequestSchema, { name }));

async function begun(cluster: Awaited<ReturnType<typeof etcd.cluster>>) {
  const master = await cluster.master();
  await master.createRepo("in");
  return master;
}

describe("creating a pipeline", () => {
  it("makes its output repo with it, and shows the spec with its defaults", async () => {
    await using cluster = await etcd.cluster();
    const master = await begun(cluster);
    const pipeline = await master.createPipeline("words", "in");
    assert.deepEqual([pipeline.name, pipeline.version, pipeline.state], ["words", 1n, PipelineState.RUNNING]);
    assert.equal(pipeline.spec?.datumTries, 3);
    const { repo } = await master.repos.inspectRepo(message(api.InspectRepoRequestSchema, { name: "words" }));
    assert.equal(repo.pipeline, "words");
    assert.deepEqual(await inspect(master, "words"), pipeline);
  });

  it("8 needs its input repo", async () => {
    await using cluster = await etcd.cluster();
    const master = await begun(cluster);
    const missing = master.createPipeline("words", "texts");
    await assert.rejects(missing, { code: "FAILED_PRECONDITION", reason: "INPUT_REPO_MISSING", message: /"texts"/ });
    await assert.rejects(master.repos.inspectRepo(message(api.InspectRepoRequestSchema, { name: "words" })), {
      code: "NOT_FOUND",
    });
  });

  it("3 needs a free name, also among repos", async () => {
    await using cluster = await etcd.cluster();
    const master = await begun(cluster);
    await master.createRepo("taken");
    await master.createPipeline("words", "in");
    await assert.rejects(master.createPipeline("words", "in"), { code: "ALREADY_EXISTS", reason: "PIPELINE_EXISTS" });
    await assert.rejects(master.createPipeline("taken", "in"), { code: "ALREADY_EXISTS", reason: "REPO_EXISTS" });
  });

  it("20 the same request id gives the same pipeline, another spec with it is refused", async () => {
    await using cluster = await etcd.cluster();
    const master = await begun(cluster);
    const request = (cmd: string) =>
      message(api.CreatePipelineRequestSchema, {
        requestId: "r",
        spec: { pipeline: { name: "words" }, transform: { cmd: [cmd] }, input: { pfs: { repo: "in", glob: "/*" } } },
      });
    const answers = await Promise.all([1, 2, 3].map(() => master.pipelines.createPipeline(request("true"))));
    assert.equal(new Set(answers.map((answer) => answer.pipeline?.etag)).size, 1);
    await assert.rejects(master.pipelines.createPipeline(request("false")), {
      code: "ALREADY_EXISTS",
      reason: "REQUEST_ID_REUSED",
    });
  });

  it("keeps a spec that is too big for etcd as an object", async () => {
    await using cluster = await etcd.cluster();
    const master = await begun(cluster);
    const cmd = ["sh", "-c", `: ${"x".repeat(50_000)}`];
    const request = message(api.CreatePipelineRequestSchema, {
      requestId: "big",
      spec: { pipeline: { name: "words" }, transform: { cmd }, input: { pfs: { repo: "in", glob: "/*" } } },
    });
    await master.pipelines.createPipeline(request);
    assert.deepEqual((await inspect(master, "words")).spec?.transform?.cmd, cmd);
    assert.deepEqual((await master.pipelines.createPipeline(request)).pipeline?.spec?.transform?.cmd, cmd);
    const kv = await cluster.etcd.get(master.world.keys.pipeline("words"));
    assert.ok(kv !== null && kv.value.length < 8_192);
    await master.put("in", { "/a": "1" });
    await master.jobIn("words", JobState.PLANNING);
  });

  it("begins with the commits that are there", async () => {
    await using cluster = await etcd.cluster();
    const master = await begun(cluster);
    const commit = await master.put("in", { "/a": "1" });
    await master.createPipeline("words", "in");
    const { kept } = await master.jobIn("words", JobState.PLANNING);
    assert.equal(kept.record.inputs[0]?.commit, commit.id);
  });
});

describe("updating a pipeline", () => {
  it("19 counts versions, and one of two updates with the same etag wins", async () => {
    await using cluster = await etcd.cluster();
    const master = await begun(cluster);
    const pipeline = await master.createPipeline("words", "in");
    const results = await Promise.allSettled(
      [1, 2].map((n) => update(master, "words", "in", pipeline.etag, { description: String(n) })),
    );
    assert.deepEqual(results.map((each) => each.status).sort(), ["fulfilled", "rejected"]);
    const lost = results.find((each) => each.status === "rejected");
    assert.equal(lost?.reason.code, "ABORTED");
    assert.equal((await inspect(master, "words")).version, 2n);
    await Promise.all([1, 2, 3].map(() => update(master, "words", "in")));
    assert.equal((await inspect(master, "words")).version, 5n);
    await assert.rejects(update(master, "other", "in"), { code: "NOT_FOUND", reason: "PIPELINE_NOT_FOUND" });
  });

  it("19 leaves the job that runs its own spec", async () => {
    await using cluster = await etcd.cluster();
    const master = await begun(cluster);
    await master.put("in", { "/a": "1" });
    await master.createPipeline("words", "in");
    const first = await master.jobIn("words", JobState.PLANNING);
    await update(master, "words", "in", "", { description: "new" });
    const { job } = await run(master, "words");
    assert.deepEqual([first.kept.record.pipelineVersion, job?.pipelineVersion], [1n, 2n]);
  });

  it("7 refuses a cycle, and names it", async () => {
    await using cluster = await etcd.cluster();
    const master = await begun(cluster);
    await master.createPipeline("one", "in");
    await master.createPipeline("two", "one");
    await master.createPipeline("three", "two");
    const cycle = update(master, "one", "three");
    await assert.rejects(cycle, {
      code: "INVALID_ARGUMENT",
      reason: "PIPELINE_CYCLE",
      message: /one -> two -> three -> one/,
    });
  });
});

describe("running a pipeline", () => {
  it("makes a job of the heads, once for each request id", async () => {
    await using cluster = await etcd.cluster();
    const master = await begun(cluster);
    await master.createPipeline("words", "in");
    const [one, two] = await Promise.all([run(master, "words", "r"), run(master, "words", "r")]);
    assert.equal(one.job?.id, two.job?.id);
    assert.deepEqual(
      one.job?.inputs.map((input) => [input.repo, input.branch, input.commit]),
      [["in", "master", ""]],
    );
    await assert.rejects(run(master, "other"), { code: "NOT_FOUND" });
  });

  it("16 says when there are too many jobs already", async () => {
    await using cluster = await etcd.cluster();
    const master = await begun(cluster);
    await master.createPipeline("words", "in");
    const runs = await Promise.allSettled(Array.from({ length: 40 }, () => run(master, "words")));
    const refused = runs.filter((each) => each.status === "rejected");
    assert.equal(refused.length, 8);
    assert.ok(
      refused.every((each) => each.reason.code === "FAILED_PRECONDITION" && each.reason.reason === "TOO_MANY_JOBS"),
    );
  });
});

describe("stopping and starting", () => {
  it("stops the jobs, makes none for commits, and catches up when it is started", async () => {
    await using cluster = await etcd.cluster();
    const master = await begun(cluster);
    await master.put("in", { "/a": "1" });
    await master.createPipeline("words", "in");
    const { id } = await master.jobIn("words", JobState.PLANNING);
    const { pipeline } = await stop(master, "words");
    assert.equal(pipeline.state, PipelineState.STOPPED);
    const stopped = await master.jobIn("words", JobState.STOPPED, id);
    assert.equal(stopped.kept.record.reason, "PIPELINE_STOPPED");
    assert.equal((await stop(master, "words")).pipeline.etag, (await inspect(master, "words")).etag, "twice is once");
    await assert.rejects(run(master, "words"), { code: "FAILED_PRECONDITION", reason: "PIPELINE_STOPPED" });
    const commit = await master.put("in", { "/a": "2" });
    assert.equal((await start(master, "words")).pipeline.state, PipelineState.RUNNING);
    const next = await master.jobWhen("words", (record) => record.inputs[0]?.commit === commit.id);
    assert.notEqual(next.id, id);
  });
});

describe("deleting a pipeline", () => {
  it("100 stops its jobs, and leaves nothing behind", async () => {
    await using cluster = await etcd.cluster();
    const master = await begun(cluster);
    await master.put("in", { "/a": "1" });
    await master.createPipeline("words", "in");
    const { id } = await master.jobIn("words", JobState.PLANNING);
    const plan = await master.dispatcher.ledger(id, "plan");
    await plan.commit({ start: 0, end: 1, result: await master.planOf(id, ["/a"]) });
    (await master.dispatcher.ledger(id, "process")).claim(1);
    await remove(master, "words");
    const { keys, etcd: client } = master.world;
    for (const prefix of [keys.jobs("words"), keys.heads("words"), keys.commits("words"), keys.ledgers(id)]) {
      assert.deepEqual(
        (await client.list(prefix)).kvs.map((kv) => kv.key),
        [],
      );
    }
    assert.ok(master.dispatcher.closed.includes("process stopped"));
    await assert.rejects(inspect(master, "words"), { code: "NOT_FOUND" });
    await master.repos.deleteRepo(message(api.DeleteRepoRequestSchema, { name: "in" }));
  });

  it("whose output is read is refused before anything is stopped", async () => {
    await using cluster = await etcd.cluster();
    const master = await begun(cluster);
    await master.put("in", { "/a": "1" });
    await master.createPipeline("one", "in");
    await master.createPipeline("two", "one");
    const { id } = await master.jobIn("one", JobState.PLANNING);
    await assert.rejects(remove(master, "one"), {
      code: "FAILED_PRECONDITION",
      reason: "OUTPUT_IS_READ",
      message: /"two"/,
    });
    assert.equal(master.jobsMirror.get("one", id)?.record.state, JobState.PLANNING);
  });

  it("102 and making it again gives a new one with jobs of its own", async () => {
    await using cluster = await etcd.cluster();
    const master = await begun(cluster);
    await master.put("in", { "/a": "1" });
    const first = await master.createPipeline("words", "in");
    const old = await master.jobIn("words", JobState.PLANNING);
    await remove(master, "words");
    const second = await master.createPipeline("words", "in");
    assert.notEqual(second.etag, first.etag);
    const job = await master.jobWhen("words", (record) => record.state === JobState.PLANNING);
    assert.notEqual(job.id, old.id);
  });
});

describe("lists of pipelines", () => {
  it("show what is there, with why one cannot run", async () => {
    await using cluster = await etcd.cluster();
    const master = await begun(cluster);
    for (const name of ["b", "a"]) await master.createPipeline(name, "in");
    master.failing = "its workers end soon after they start";
    const { pipelines } = await master.pipelines.listPipelines(message(api.ListPipelinesRequestSchema, {}));
    assert.deepEqual(
      pipelines.map(({ name, state: now, reason }) => [name, now, reason]),
      [
        ["a", PipelineState.FAILING, "its workers end soon after they start"],
        ["b", PipelineState.FAILING, "its workers end soon after they start"],
      ],
    );
  });
});
