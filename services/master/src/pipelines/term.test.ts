// Several jobs of a pipeline: in which order they are planned, run and published.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { api, state } from "@sheaf/proto";
import { archived, firstJob, PATHS } from "../first-job.test-kit.ts";
import { encode, message, testEtcd } from "../master.test-kit.ts";

const etcd = testEtcd();
const { JobState } = api;

describe("jobs of a pipeline", () => {
  it("plan in order, run side by side, and publish in order", async () => {
    await using cluster = await etcd.cluster();
    const { master, id: first } = await firstJob(cluster);
    const commit = await master.put("in", { "/d": "4" });
    assert.deepEqual(master.jobsMirror.ids("words"), [first], "a commit waits while the newest job is not planned");
    await (await master.dispatcher.ledger(first, "plan")).commit({
      start: 0,
      end: 1,
      result: await master.planOf(first, PATHS),
    });
    const { id: second } = await master.jobWhen("words", (record) => record.inputs[0]?.commit === commit.id);
    await master.process("words", second, PATHS);
    assert.equal(master.jobsMirror.get("words", second)?.record.state, JobState.PROCESSING);
    const { job } = await master.jobs.inspectJob(
      message(api.InspectJobRequestSchema, { pipeline: "words", job: second }),
    );
    assert.equal(job.waitingFor, `job ${first}, the one before it, to end: jobs publish in order`);

    const process = await master.dispatcher.ledger(first, "process");
    await process.commit({
      start: 0,
      end: 3,
      result: await master.runOf(
        first,
        0,
        PATHS.map((path) => ({ path })),
      ),
    });
    const merging = await master.jobIn("words", JobState.MERGING, first);
    await master.publish("words", first);
    const { kept } = await master.jobIn("words", JobState.MERGING, second);
    assert.equal(kept.record.parentCommit, merging.kept.record.outputCommit);
  });

  it("let go of what they were doing when the pipeline is lost, and go on in the next term", async () => {
    await using cluster = await etcd.cluster();
    const { master } = await firstJob(cluster);
    const lost = master.dispatcher.ownership("words");
    lost?.lose();
    // Its job is in PLANNING, and its ledger is closed: an owner that tried to open it for ever would never give up the term.
    while (master.dispatcher.ownership("words") === lost) await new Promise((resolve) => setTimeout(resolve, 10));
  });

  it("coalesce many quick commits", async () => {
    await using cluster = await etcd.cluster();
    const { master, id: first } = await firstJob(cluster);
    let last = "";
    for (let i = 0; i < 20; i++) last = (await master.put("in", { "/x": String(i) })).id;
    await master.process("words", first, PATHS);
    const { id: second } = await master.jobWhen("words", (record) => record.inputs[0]?.commit === last);
    assert.deepEqual(master.jobsMirror.ids("words"), [first, second]);
  });

  it("of a pipeline that reads another begin with its publish", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster);
    await master.createPipeline("after", "words");
    await master.process("words", id, PATHS);
    const { kept } = await master.jobIn("words", JobState.MERGING);
    // The made-up publish names no tree, so the job cannot pin it: it waits, and nothing else stops.
    await master.publish("words", id);
    await master.jobWhen("words", archived, id);
    const commit = create(state.CommitRecordSchema, {
      version: 1,
      branch: "master",
      manifest: kept.record.runs ?? assert.fail(),
    });
    const value = encode(state.CommitRecordSchema, commit);
    await cluster.etcd.txn({
      compare: [],
      then: [{ put: master.world.keys.commit("words", kept.record.outputCommit), value }],
    });
    const next = await master.jobIn("after", JobState.PLANNING);
    assert.equal(next.kept.record.inputs[0]?.commit, kept.record.outputCommit);
  });
});

describe("a pipeline that another replica shall have", () => {
  it("is released when its term has ended, and campaigned for anew", async () => {
    await using cluster = await etcd.cluster();
    const { master } = await firstJob(cluster);
    await master.owners.term("words");
    const first = master.dispatcher.ownership("words") ?? assert.fail();
    first.recall();
    await first.lost;
    assert.equal(master.owners.owns("words"), false, "nothing of it runs any more");
    await master.owners.term("words");
    assert.notEqual(master.dispatcher.ownership("words"), first);
  });
});
