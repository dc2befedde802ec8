// What a new owner makes of a job that the owner before left in each of its states.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { api } from "@sheaf/proto";
import { archived, firstJob, ledgersGone, PATHS } from "../first-job.test-kit.ts";
import { message, type TestCluster, type TestMaster, testEtcd } from "../master.test-kit.ts";

const etcd = testEtcd();
const { JobState } = api;

describe("after a restart", () => {
  /** The owner dies; its lease is over, and another replica takes over. */
  async function restarted(cluster: TestCluster, before: TestMaster): Promise<TestMaster> {
    await before.stop();
    return cluster.master();
  }

  it("a job that waited to plan is planned", async () => {
    await using cluster = await etcd.cluster();
    const { master, id: first } = await firstJob(cluster);
    const { job } = await master.pipelines.runPipeline(message(api.RunPipelineRequestSchema, { name: "words" }));
    const second = job?.id ?? assert.fail();
    assert.equal(master.jobsMirror.get("words", second)?.record.state, JobState.CREATED);
    const next = await restarted(cluster, master);
    await next.process("words", first, PATHS);
    await next.jobIn("words", JobState.PLANNING, second);
  });

  it("a plan that was committed is not made again", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster);
    const plan = await master.dispatcher.ledger(id, "plan");
    await master.stop();
    await plan.commit({ start: 0, end: 1, result: await master.planOf(id, PATHS) });
    const next = await cluster.master();
    const process = await next.dispatcher.ledger(id, "process");
    assert.equal(process.n, 3);
  });

  it("datums that were committed are not run again", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster);
    await (await master.dispatcher.ledger(id, "plan")).commit({
      start: 0,
      end: 1,
      result: await master.planOf(id, PATHS),
    });
    const before = await master.dispatcher.ledger(id, "process");
    await before.commit({ start: 0, end: 2, result: await master.runOf(id, 0, [{ path: "/a" }, { path: "/b" }]) });
    const next = await restarted(cluster, master);
    const process = await next.dispatcher.ledger(id, "process");
    assert.equal(process.progress().done, 2);
    assert.equal(process.input.key, before.input.key, "the same work is the same object");
    await process.commit({ start: 2, end: 3, result: await next.runOf(id, 2, [{ path: "/c" }]) });
    const { kept } = await next.jobIn("words", JobState.MERGING);
    assert.equal(kept.record.totals?.succeeded, 3n);
  });

  it("a job whose last datum was committed just before goes on to the merge", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster);
    await (await master.dispatcher.ledger(id, "plan")).commit({
      start: 0,
      end: 1,
      result: await master.planOf(id, PATHS),
    });
    const process = await master.dispatcher.ledger(id, "process");
    await master.stop();
    await process.commit({
      start: 0,
      end: 3,
      result: await master.runOf(
        id,
        0,
        PATHS.map((path) => ({ path })),
      ),
    });
    const next = await cluster.master();
    await next.jobIn("words", JobState.MERGING, id);
  });

  it("a job in the merge is left to the merge replica, and archived when it is over", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster);
    await master.process("words", id, PATHS);
    await master.jobIn("words", JobState.MERGING, id);
    const next = await restarted(cluster, master);
    await next.jobIn("words", JobState.MERGING, id);
    await next.publish("words", id);
    await next.jobWhen("words", archived, id);
    await ledgersGone(next, id);
  });

  it("a job that ended while no master lived is archived", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster);
    await master.process("words", id, PATHS);
    await master.jobIn("words", JobState.MERGING, id);
    await master.stop();
    await master.publish("words", id);
    const next = await cluster.master();
    await next.jobWhen("words", archived, id);
    await ledgersGone(next, id);
  });

  it("ledgers that an owner had archived and not deleted are deleted", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster);
    await master.process("words", id, PATHS);
    await master.jobIn("words", JobState.MERGING, id);
    await master.publish("words", id);
    await master.jobWhen("words", archived, id);
    await ledgersGone(master, id);
    await master.stop();
    const left = master.world.keys.ledgerMeta(id, "process");
    await cluster.etcd.txn({ compare: [], then: [{ put: left, value: new Uint8Array() }] });
    const next = await cluster.master();
    await ledgersGone(next, id);
  });

  it("commits that came while no master lived make a job", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster);
    await master.process("words", id, PATHS);
    await master.owners.stop();
    const commit = await master.put("in", { "/new": "1" });
    const next = await restarted(cluster, master);
    await next.jobWhen("words", (record) => record.inputs[0]?.commit === commit.id);
  });

  it("an owner that lost its key changes nothing any more", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster);
    const plan = await master.dispatcher.ledger(id, "plan");
    // Another replica takes the key; the first has not noticed.
    const next = await cluster.master();
    await plan.commit({ start: 0, end: 1, result: await master.planOf(id, PATHS) });
    await next.dispatcher.ledger(id, "plan");
    const { kept } = await next.jobWhen("words", (record) => record.state !== JobState.CREATED, id);
    assert.ok([JobState.PLANNING, JobState.PROCESSING].some((each) => each === kept.record.state));
    assert.equal(master.dispatcher.ownership("words")?.serves, true);
  });
});
