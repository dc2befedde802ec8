import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { getMessage } from "@sheaf/files";
import { api, state, store } from "@sheaf/proto";
import { archived, firstJob, PATHS } from "../first-job.test-kit.ts";
import { message, type TestMaster, testEtcd } from "../master.test-kit.ts";
import { chooseEarlier, type OlderJob } from "./earlier.ts";

const etcd = testEtcd();
const { JobState } = api;

/** The job that a commit of these files makes, once it plans. */
async function nextJob(master: TestMaster, files: Record<string, string>) {
  const commit = await master.put("in", files);
  const isIt = ({ state: now, inputs }: state.JobRecord) =>
    now === JobState.PLANNING && inputs[0]?.commit === commit.id;
  const { id, kept } = await master.jobWhen("words", isIt);
  return { id, record: kept.record };
}

function planInput({ world }: TestMaster, { input }: state.JobRecord): Promise<store.WorkInput> {
  return getMessage(world.store, store.WorkInputSchema, input ?? assert.fail());
}

describe("chooseEarlier()", () => {
  const ref = create(store.ObjectRefSchema, { key: "x" });
  const job = (
    id: string,
    now: api.JobState,
    fields: { succeeded?: bigint; skipped?: bigint; runs?: false } = {},
  ): OlderJob => {
    const totals = { succeeded: 1n, ...fields };
    const record = create(state.JobRecordSchema, {
      state: now,
      totals,
      ...(fields.runs !== false && { archive: ref }),
    });
    return { id, kept: { key: id, record, createRevision: 1n, modRevision: 1n } as never };
  };
  const { SUCCEEDED, FAILED, STOPPED, INCONSISTENT, PROCESSING } = JobState;
  const rows: readonly [string, OlderJob[], string[]][] = [
    ["nothing, when there is nothing", [], []],
    ["the newest that succeeded, and none before it", [job("c", SUCCEEDED), job("b", SUCCEEDED)], ["c"]],
    [
      "what did not succeed after it as well",
      [job("d", STOPPED), job("c", FAILED), job("b", SUCCEEDED), job("a", FAILED)],
      ["d", "c", "b"],
    ],
    ["no job that is not over", [job("c", PROCESSING), job("b", SUCCEEDED)], ["b"]],
    ["none that contradicts itself", [job("c", INCONSISTENT), job("b", SUCCEEDED)], ["b"]],
    ["none that has finished nothing", [job("c", FAILED, { succeeded: 0n }), job("b", SUCCEEDED)], ["b"]],
    ["one that has only skipped", [job("b", SUCCEEDED, { succeeded: 0n, skipped: 1n })], ["b"]],
    ["none that cannot be read yet", [job("c", STOPPED, { runs: false }), job("b", SUCCEEDED)], ["b"]],
    [
      "three that did not succeed at most, and the one that did",
      [..."gfedc"].map((id) => job(id, FAILED)).concat(job("b", SUCCEEDED)),
      ["g", "f", "e", "b"],
    ],
  ];
  for (const [name, older, expected] of rows) {
    it(`takes ${name}`, () => {
      assert.deepEqual(
        chooseEarlier(older).map(({ id }) => id),
        expected,
      );
    });
  }
});

describe("a job", () => {
  it("takes over from those before it: the newest that succeeded, and what failed after it", async () => {
    await using cluster = await etcd.cluster();
    const { master, id: first } = await firstJob(cluster);
    await master.process("words", first, PATHS);
    await master.jobIn("words", JobState.MERGING, first);
    await master.publish("words", first);
    await master.jobWhen("words", archived, first);
    const second = await nextJob(master, { "/d": "d" });
    const pinned = await planInput(master, second.record);
    const runs = (await master.jobWhen("words", archived, first)).kept.record.runs;
    assert.deepEqual(second.record.earlier, [first]);
    assert.deepEqual(
      pinned.earlier.map(({ job, runs: list }) => [job, list?.key]),
      [[first, runs?.key]],
    );
    assert.equal((await master.dispatcher.ledger(second.id, "plan")).input.key, second.record.input?.key);

    // It is stopped when one run of two is done: the next looks there first.
    const four = [...PATHS, "/d"];
    await (await master.dispatcher.ledger(second.id, "plan")).commit({
      start: 0,
      end: 1,
      result: await master.planOf(second.id, four),
    });
    const result = await master.runOf(second.id, 2, [{ path: "/c" }, { path: "/d" }]);
    const totals = { succeeded: 1n, skipped: 1n };
    await (await master.dispatcher.ledger(second.id, "process")).commit({ start: 2, end: 4, result, totals });
    await master.jobs.stopJob(message(api.StopJobRequestSchema, { pipeline: "words", job: second.id }));
    await master.jobWhen("words", archived, second.id);
    const third = await nextJob(master, { "/e": "e" });
    assert.deepEqual(third.record.earlier, [second.id, first]);
    const list = (await planInput(master, third.record)).earlier[0]?.runs ?? assert.fail();
    assert.deepEqual(
      (await getMessage(cluster.store, store.RunListSchema, list)).runs.map(({ from, to }) => [from, to]),
      [[2n, 4n]],
    );

    // A new owner plans with what is fixed, whatever has ended meanwhile.
    await master.stop();
    const again = await cluster.master();
    assert.equal((await again.dispatcher.ledger(third.id, "plan")).input.key, third.record.input?.key);
  });

  it("takes nothing over under every_job, nor from an archive that is gone", async () => {
    await using cluster = await etcd.cluster();
    const { master, id: first } = await firstJob(cluster, { reprocessSpec: "every_job" });
    await master.process("words", first, PATHS);
    await master.jobIn("words", JobState.MERGING, first);
    await master.publish("words", first);
    await master.jobWhen("words", archived, first);
    assert.deepEqual((await nextJob(master, { "/d": "d" })).record.earlier, []);

    await using other = await etcd.cluster();
    const { master: owner, id } = await firstJob(other);
    await (await owner.dispatcher.ledger(id, "plan")).commit({
      start: 0,
      end: 1,
      result: await owner.planOf(id, PATHS),
    });
    const result = await owner.runOf(id, 0, [{ path: "/a" }]);
    await (await owner.dispatcher.ledger(id, "process")).commit({
      start: 0,
      end: 1,
      result,
      totals: { succeeded: 1n },
    });
    await owner.jobs.stopJob(message(api.StopJobRequestSchema, { pipeline: "words", job: id }));
    const { archive } = (await owner.jobWhen("words", archived, id)).kept.record;
    await other.store.delete(archive?.key ?? assert.fail());
    assert.deepEqual((await nextJob(owner, { "/d": "d" })).record.earlier, []);
  });
});
