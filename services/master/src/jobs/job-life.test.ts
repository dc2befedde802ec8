// Jobs from their creation to their archive, with a made-up worker and merge replica.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { getMessage } from "@sheaf/files";
import { api, state, store } from "@sheaf/proto";
import { archived, firstJob, ledgersGone, PATHS } from "../first-job.test-kit.ts";
import { message, type TestMaster, testEtcd } from "../master.test-kit.ts";

const etcd = testEtcd();
const { JobState, DatumState } = api;

describe("a job", () => {
  it("goes from the commit to the merge, and is archived after it", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster);
    const plan = await master.dispatcher.ledger(id, "plan");
    const pinned = await getMessage(cluster.store, store.WorkInputSchema, plan.input);
    assert.deepEqual([plan.n, plan.order, pinned.job, pinned.inputs.length], [1, id, id, 1]);
    assert.equal(pinned.spec?.datumTries, 3);

    await plan.commit({ start: 0, end: 1, result: await master.planOf(id, PATHS) });
    const process = await master.dispatcher.ledger(id, "process");
    const work = await getMessage(cluster.store, store.WorkInputSchema, process.input);
    assert.deepEqual(
      [process.n, work.plan?.key],
      [3, (await master.jobIn("words", JobState.PROCESSING)).kept.record.plan?.key],
    );

    // In no order: the run list is in that of the datums.
    await process.commit({ start: 2, end: 3, result: await master.runOf(id, 2, [{ path: "/c" }]) });
    await process.commit({ start: 0, end: 2, result: await master.runOf(id, 0, [{ path: "/a" }, { path: "/b" }]) });
    const { kept } = await master.jobIn("words", JobState.MERGING);
    const runs = await getMessage(cluster.store, store.RunListSchema, kept.record.runs ?? assert.fail("no run list"));
    assert.deepEqual(
      runs.runs.map((run) => [run.from, run.to]),
      [
        [0n, 2n],
        [2n, 3n],
      ],
    );
    assert.deepEqual([kept.record.parentCommit, kept.record.totals?.succeeded], ["", 3n]);
    assert.ok(kept.record.started, "its start was noted with the merge");

    await master.publish("words", id);
    const over = await master.jobWhen("words", archived, id);
    assert.equal(over.kept.record.state, JobState.SUCCEEDED);
    const archive = await getMessage(
      cluster.store,
      state.LedgerArchiveSchema,
      over.kept.record.archive ?? assert.fail(),
    );
    assert.deepEqual(
      archive.process.map((each) => [each.start, each.done?.end]),
      [
        [0n, 2n],
        [2n, 3n],
      ],
    );
    await ledgersGone(master, id);
  });

  it("24 without datums is merged all the same", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster);
    await master.process("words", id, []);
    const { kept } = await master.jobIn("words", JobState.MERGING);
    const runs = await getMessage(cluster.store, store.RunListSchema, kept.record.runs ?? assert.fail());
    assert.equal(runs.runs.length, 0);
  });

  it("with a failed datum fails, says which and how to see its log, and keeps the others", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster);
    await (await master.dispatcher.ledger(id, "plan")).commit({
      start: 0,
      end: 1,
      result: await master.planOf(id, PATHS),
    });
    const rows = [
      { path: "/a" },
      { path: "/b", state: DatumState.FAILED, tries: 3, reason: "EXIT_2", message: "exit code 2: no such key" },
      { path: "/c" },
    ];
    const totals = { succeeded: 2n, failed: 1n, firstFailed: 1n, firstFailedMessage: "exit code 2" };
    await (await master.dispatcher.ledger(id, "process")).commit({
      start: 0,
      end: 3,
      result: await master.runOf(id, 0, rows),
      totals,
    });
    const { kept } = await master.jobIn("words", JobState.FAILED);
    assert.equal(kept.record.reason, "DATUM_FAILED");
    assert.match(
      kept.record.message,
      /^1 datum failed: datum 1 \(\/b\): exit code 2: no such key; nothing was published; its log: sheaf datum logs words/,
    );
    const over = await master.jobWhen("words", archived, id);
    const archive = await getMessage(
      cluster.store,
      state.LedgerArchiveSchema,
      over.kept.record.archive ?? assert.fail(),
    );
    assert.equal(archive.process.length, 1);
    assert.equal(await cluster.etcd.get(master.world.keys.head("words", "master")), null);
  });

  it("with failed datums that may fail goes on without them, and its record says so", async () => {
    await using cluster = await etcd.cluster();
    const parts = { failurePolicy: create(api.FailurePolicySchema, { minSuccessRatio: 0.6 }) };
    const { master, id } = await firstJob(cluster, parts);
    await (await master.dispatcher.ledger(id, "plan")).commit({
      start: 0,
      end: 1,
      result: await master.planOf(id, PATHS),
    });
    const rows = [{ path: "/a" }, { path: "/b", state: DatumState.FAILED, reason: "EXIT_2" }, { path: "/c" }];
    const result = await master.runOf(id, 0, rows);
    const totals = { succeeded: 2n, failed: 1n, firstFailed: 1n };
    await (await master.dispatcher.ledger(id, "process")).commit({ start: 0, end: 3, result, totals });
    const { kept } = await master.jobIn("words", JobState.MERGING);
    assert.equal(kept.record.reason, "DATUMS_MISSING");
    assert.equal(
      kept.record.message,
      `1 datum has failed and its output is missing, of 3 datums: failure_policy allows it; which: sheaf datum list words --job ${id} --state failed`,
    );
    assert.equal(kept.record.totals?.failed, 1n);
  });

  it("with more failed datums than may fail says how many may", async () => {
    await using cluster = await etcd.cluster();
    const parts = { failurePolicy: create(api.FailurePolicySchema, { maxFailed: 1n }) };
    const { master, id } = await firstJob(cluster, parts);
    await (await master.dispatcher.ledger(id, "plan")).commit({
      start: 0,
      end: 1,
      result: await master.planOf(id, PATHS),
    });
    const bad = (path: string) => ({ path, state: DatumState.FAILED, message: "boom" });
    const result = await master.runOf(id, 0, [bad("/a"), bad("/b"), { path: "/c" }]);
    const totals = { succeeded: 1n, failed: 2n, firstFailed: 0n };
    await (await master.dispatcher.ledger(id, "process")).commit({ start: 0, end: 3, result, totals });
    const { kept } = await master.jobIn("words", JobState.FAILED);
    assert.match(kept.record.message, /^2 datums failed, .*: boom; failure_policy allows 1; nothing was published/);
  });

  it("that too many datums fail is given up", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster);
    await (await master.dispatcher.ledger(id, "plan")).commit({
      start: 0,
      end: 1,
      result: await master.planOf(id, PATHS),
    });
    const process = await master.dispatcher.ledger(id, "process");
    const run = await master.runOf(id, 0, [{ path: "/a", state: DatumState.FAILED, message: "boom" }]);
    await process.commit({ start: 0, end: 1, result: run, totals: { succeeded: 0n, failed: 1n, firstFailed: 0n } });
    process.giveUp();
    const { kept } = await master.jobIn("words", JobState.FAILED);
    assert.match(kept.record.message, /datum 0 \(\/a\): boom/);
  });

  it("108 whose plan is not one is INCONSISTENT", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster);
    await (await master.dispatcher.ledger(id, "plan")).commit({
      start: 0,
      end: 1,
      result: await master.planOf("another-job", PATHS),
    });
    const { kept } = await master.jobIn("words", JobState.INCONSISTENT);
    assert.deepEqual([kept.record.reason], ["PLAN_BROKEN"]);
  });

  it("108 whose plan is gone from the store is INCONSISTENT", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster);
    const result = await master.planOf(id, PATHS);
    await cluster.store.delete(result.object?.key ?? "");
    await (await master.dispatcher.ledger(id, "plan")).commit({ start: 0, end: 1, result });
    const { kept } = await master.jobIn("words", JobState.INCONSISTENT);
    assert.equal(kept.record.reason, "PLAN_BROKEN");
  });

  it("whose ledger contradicts itself is INCONSISTENT, with the ledger's words", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster);
    await (await master.dispatcher.ledger(id, "plan")).commit({
      start: 0,
      end: 1,
      result: await master.planOf(id, PATHS),
    });
    (await master.dispatcher.ledger(id, "process")).finish({ kind: "inconsistent", message: "done/5 overlaps" });
    const { kept } = await master.jobIn("words", JobState.INCONSISTENT);
    assert.equal(kept.record.message, "done/5 overlaps");
  });

  it("that takes longer than job_timeout fails, and its workers are called off", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster, { jobTimeout: { seconds: 0n, nanos: 300_000_000 } as never });
    const { kept } = await master.jobIn("words", JobState.FAILED, id);
    assert.equal(kept.record.reason, "JOB_TIMEOUT");
    await master.jobWhen("words", archived, id);
    assert.ok(master.dispatcher.closed.includes("plan stopped"));
  });
});

describe("stopping a job", () => {
  const stop = (master: TestMaster, job: string) =>
    master.jobs.stopJob(message(api.StopJobRequestSchema, { pipeline: "words", job }));

  it("ends it, calls its workers off, and lets the next one go on", async () => {
    await using cluster = await etcd.cluster();
    const { master, id } = await firstJob(cluster);
    const { job } = await stop(master, id);
    assert.deepEqual([job.state, job.reason], [JobState.STOPPED, "STOPPED_BY_USER"]);
    await master.jobWhen("words", archived, id);
    assert.ok(master.dispatcher.closed.includes("plan stopped"));
    assert.equal((await stop(master, id)).job.state, JobState.STOPPED, "twice is once");
    const { job: next } = await master.pipelines.runPipeline(message(api.RunPipelineRequestSchema, { name: "words" }));
    await master.jobIn("words", JobState.PLANNING, next?.id);
  });

  it("101 or publishing it: one of the two", async () => {
    for (let i = 0; i < 5; i++) {
      await using cluster = await etcd.cluster();
      const { master, id } = await firstJob(cluster);
      await master.process("words", id, PATHS);
      await master.jobIn("words", JobState.MERGING, id);
      const [stopped, published] = await Promise.allSettled([stop(master, id), master.publish("words", id)]);
      const { kept } = await master.jobWhen("words", (record) => record.state >= JobState.SUCCEEDED, id);
      assert.equal(stopped.status, "fulfilled");
      assert.equal(kept.record.state, published.status === "fulfilled" ? JobState.SUCCEEDED : JobState.STOPPED);
      const head = await cluster.etcd.get(master.world.keys.head("words", "master"));
      assert.equal(head !== null, kept.record.state === JobState.SUCCEEDED);
    }
  });
});
