import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { api, state } from "@sheaf/proto";
import { context, encode, message, type TestCluster, type TestMaster, testEtcd } from "../master.test-kit.ts";

const etcd = testEtcd();
const { JobState } = api;

async function begun(cluster: TestCluster) {
  const master = await cluster.master();
  await master.createRepo("in");
  await master.put("in", { "/a": "1" });
  await master.createPipeline("words", "in");
  const { id } = await master.jobIn("words", JobState.PLANNING);
  return { master, id };
}

const inspect = async (master: TestMaster, job = "", pipeline = "words") =>
  (await master.jobs.inspectJob(message(api.InspectJobRequestSchema, { pipeline, job }))).job;

describe("InspectJob", () => {
  it("shows the job, or the newest", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await begun(cluster);
    const job = await inspect(master);
    assert.deepEqual(
      [job.id, job.pipeline, job.outputBranch, job.inputs[0]?.repo],
      [id, "words", "words@master", "in"],
    );
    assert.deepEqual(await inspect(master, id), job);
  });

  it("says what is not there", async () => {
    await using cluster = await etcd.cluster();
    const { master } = await begun(cluster);
    await assert.rejects(inspect(master, "", "other"), { code: "NOT_FOUND", reason: "PIPELINE_NOT_FOUND" });
    await assert.rejects(inspect(master, "01m82zj4rd8yppba72mwg90p1w"), { code: "NOT_FOUND", reason: "JOB_NOT_FOUND" });
    await assert.rejects(inspect(master, "short"), { code: "INVALID_ARGUMENT" });
    await master.createPipeline("idle", "words");
    await assert.rejects(inspect(master, "", "idle"), { code: "NOT_FOUND", message: /has no job yet/ });
  });

  it("106 says what it waits for, and counts what is done", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await begun(cluster);
    master.poolReason = "starting 1 of 1 workers";
    assert.equal((await inspect(master)).waitingFor, "a worker: no worker is connected (starting 1 of 1 workers)");
    master.dispatcher.connect("words", "worker-1");
    assert.deepEqual([(await inspect(master)).waitingFor, (await inspect(master)).workers], ["", 1]);

    await (await master.dispatcher.ledger(id, "plan")).commit({
      start: 0,
      end: 1,
      result: await master.planOf(id, ["/a", "/b", "/c"]),
    });
    const process = await master.dispatcher.ledger(id, "process");
    process.claim(2);
    const half = await inspect(master);
    assert.deepEqual([half.dataTotal, half.dataInFlight, half.dataProcessed], [3n, 2n, 0n]);
    assert.ok(half.started);
    await process.commit({ start: 0, end: 1, result: await master.runOf(id, 0, [{ path: "/a" }]) });
    const more = await inspect(master);
    assert.deepEqual([more.dataInFlight, more.dataProcessed], [1n, 1n]);
    await process.commit({ start: 1, end: 3, result: await master.runOf(id, 1, [{ path: "/b" }, { path: "/c" }]) });
    await master.jobIn("words", JobState.MERGING);
    assert.equal((await inspect(master)).waitingFor, "a merge replica: none is running");
  });

  it("counts what is committed where nobody owns the pipeline", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await begun(cluster);
    await (await master.dispatcher.ledger(id, "plan")).commit({
      start: 0,
      end: 1,
      result: await master.planOf(id, ["/a", "/b", "/c"]),
    });
    const process = await master.dispatcher.ledger(id, "process");
    await process.commit({ start: 0, end: 1, result: await master.runOf(id, 0, [{ path: "/a" }]) });
    await process.commit({ start: 2, end: 3, result: await master.runOf(id, 2, [{ path: "/c" }]) });
    await master.jobIn("words", JobState.PROCESSING);
    await master.owners.stop();
    const job = await inspect(master);
    assert.deepEqual([job.state, job.dataTotal, job.dataProcessed], [JobState.PROCESSING, 3n, 2n]);
    const request = message(api.WatchJobRequestSchema, { pipeline: "words", job: id });
    const watched = master.jobs.watchJob(request, context());
    assert.equal((await watched.next()).value?.job?.dataProcessed, 2n);
    await watched.return(undefined);
  });
});

describe("a job in the merge", () => {
  it("shows its shards as they are done", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await begun(cluster);
    await master.process("words", id, ["/a"]);
    await master.jobIn("words", JobState.MERGING);
    const { keys, etcd: client } = master.world;
    const put = (key: string, bytes: Uint8Array) => client.txn({ compare: [], then: [{ put: key, value: bytes }] });
    const meta = message(state.LedgerMetaSchema, { version: 1, n: 4n });
    const done = message(state.DoneRecordSchema, { version: 1, end: 3n });
    const shards: string[] = [];
    const watched = master.jobs.watchJob(message(api.WatchJobRequestSchema, { pipeline: "words", job: id }), context());
    for await (const { job } of watched) {
      if (job === undefined) continue;
      shards.push(`${job.shardsDone}/${job.shardsTotal}`);
      if (job.shardsTotal === 0) await put(keys.ledgerMeta(id, "merge"), encode(state.LedgerMetaSchema, meta));
      else if (job.shardsDone === 0) await put(keys.done(id, "merge", 1), encode(state.DoneRecordSchema, done));
      else break;
    }
    assert.deepEqual(shards, ["0/0", "0/4", "2/4"]);
  });
});

describe("ListJobs", () => {
  it("shows the newest first, of all pipelines or one, by state, page by page", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await begun(cluster);
    await master.createPipeline("other", "in");
    const run = async (name: string) =>
      (await master.pipelines.runPipeline(message(api.RunPipelineRequestSchema, { name }))).job?.id ?? assert.fail();
    const other = (await master.jobWhen("other", () => true)).id;
    const ids = [id, other];
    for (const name of ["words", "other", "words"]) ids.unshift(await run(name));
    ids.sort().reverse();

    const list = async (fields: object) => master.jobs.listJobs(message(api.ListJobsRequestSchema, fields));
    assert.deepEqual(
      (await list({})).jobs.map((job) => job.id),
      ids,
    );
    const seen: string[] = [];
    for (let token = ""; ; ) {
      const page = await list({ page: { size: 2, token } });
      seen.push(...page.jobs.map((job) => job.id));
      token = page.nextPageToken;
      if (token === "") break;
    }
    assert.deepEqual(seen, ids);
    assert.deepEqual(new Set((await list({ pipeline: "other" })).jobs.map((job) => job.pipeline)), new Set(["other"]));
    assert.deepEqual(
      (await list({ pipeline: "words", states: [JobState.PLANNING] })).jobs.map((job) => job.id),
      [id],
    );
    await assert.rejects(list({ page: { token: "x" } }), { code: "INVALID_ARGUMENT", reason: "PAGE_TOKEN_INVALID" });
  });
});

describe("WatchJob", () => {
  const watch = (master: TestMaster, job: string, fields = {}) =>
    master.jobs.watchJob(message(api.WatchJobRequestSchema, { pipeline: "words", job }), context(fields));

  it("tells every state from now on, and ends with the last one", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await begun(cluster);
    const states: api.JobState[] = [];
    for await (const { job } of watch(master, id)) {
      if (job === undefined) continue;
      states.push(job.state);
      if (job.state === JobState.PLANNING) await master.process("words", id, ["/a"]);
      if (job.state === JobState.MERGING) await master.publish("words", id);
    }
    assert.deepEqual([states[0], states.at(-1)], [JobState.PLANNING, JobState.SUCCEEDED]);
    assert.deepEqual(
      states,
      [...states].sort((a, b) => a - b),
    );
  });

  it("tells at most ten times a second, and the last all the same", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await begun(cluster);
    await (await master.dispatcher.ledger(id, "plan")).commit({
      start: 0,
      end: 1,
      result: await master.planOf(id, ["/a"]),
    });
    const process = await master.dispatcher.ledger(id, "process");
    let told = 0;
    let last: api.Job | undefined;
    const watched = (async () => {
      for await (const { job } of watch(master, id)) {
        told++;
        last = job;
      }
    })();
    const beginMs = performance.now();
    for (let i = 1; performance.now() - beginMs < 500; i++) {
      process.claim(i);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await master.jobs.stopJob(message(api.StopJobRequestSchema, { pipeline: "words", job: id }));
    await watched;
    assert.equal(last?.state, JobState.STOPPED);
    assert.ok(told <= 8, `${told} messages in half a second`);
  });

  it("107 ends with UNAVAILABLE when the master drains, and without a word when the client goes", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await begun(cluster);
    const drain = new AbortController();
    const draining = watch(master, id, { draining: drain.signal });
    await draining.next();
    drain.abort();
    await assert.rejects(draining.next(), { code: "UNAVAILABLE", reason: "DRAINING" });
    const leave = new AbortController();
    const leaving = watch(master, id, { signal: leave.signal });
    await leaving.next();
    leave.abort();
    assert.equal((await leaving.next()).done, true);
  });

  it("107 goes on behind its resume: the same job, and nothing that was said before", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await begun(cluster);
    const next = async (stream: ReturnType<typeof watch>) => (await stream.next()).value ?? assert.fail("it ended");
    const first = await next(watch(master, ""));
    const newer = await master.pipelines.runPipeline(message(api.RunPipelineRequestSchema, { name: "words" }));
    assert.notEqual(newer.job?.id, id);
    const request = message(api.WatchJobRequestSchema, { pipeline: "words", resume: first.resume });
    const again = master.jobs.watchJob(request, context());
    const told = next(again);
    await master.jobs.stopJob(message(api.StopJobRequestSchema, { pipeline: "words", job: id }));
    const { job, resume } = await told;
    assert.deepEqual([job?.id, job?.state], [id, JobState.STOPPED]);
    assert.equal((await again.next()).done, true);
    const over = master.jobs.watchJob(message(api.WatchJobRequestSchema, { pipeline: "words", resume }), context());
    assert.equal((await over.next()).done, true, "its caller was told the end");
    for (const fields of [{ resume: "x" }, { resume, job: newer.job?.id ?? "" }]) {
      const refused = master.jobs.watchJob(
        message(api.WatchJobRequestSchema, { pipeline: "words", ...fields }),
        context(),
      );
      await assert.rejects(refused.next(), { code: "INVALID_ARGUMENT", reason: "RESUME_INVALID" });
    }
  });

  it("ends with NOT_FOUND when the pipeline is deleted", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await begun(cluster);
    const watched = watch(master, id);
    await watched.next();
    const deleted = master.pipelines.deletePipeline(message(api.DeletePipelineRequestSchema, { name: "words" }));
    const states: api.JobState[] = [];
    for await (const { job } of watched) states.push(job?.state ?? 0);
    assert.deepEqual(states, [JobState.STOPPED]);
    await deleted;
    await assert.rejects(watch(master, id).next(), { code: "NOT_FOUND" });
  });
});
