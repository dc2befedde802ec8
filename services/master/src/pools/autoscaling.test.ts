// Pools that scale, with jobs in a real etcd and workers that are made up.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { api, state } from "@sheaf/proto";
import { encode, message, type TestMaster, testEtcd } from "../master.test-kit.ts";
import { begun, piped, soon } from "./pools.test-kit.ts";

const etcd = testEtcd();

describe("pools of pipelines with autoscaling", () => {
  const scaled = { parallelismSpec: { constant: 4n }, autoscaling: true } as never;
  const datums = (count: number) => Array.from({ length: count }, (_, i) => `/f${i}`);

  /** Commits so many files; resolves with the job that this makes, when it plans. */
  async function commit(master: TestMaster, count: number): Promise<string> {
    const before = master.jobsMirror.ids("words").length;
    await master.put("words-in", Object.fromEntries(datums(count).map((path) => [path, `${count}`])));
    await soon(() => assert.equal(master.jobsMirror.ids("words").length, before + 1));
    const { id } = await master.jobIn("words", api.JobState.PLANNING);
    return id;
  }

  async function planned(master: TestMaster, job: string, count: number) {
    const plan = await master.dispatcher.ledger(job, "plan");
    await plan.commit({ start: 0, end: 1, result: await master.planOf(job, datums(count)) });
    return master.dispatcher.ledger(job, "process");
  }

  for (const [count, workers] of [
    [1, 1],
    [3, 3],
    [8, 4],
  ] as const) {
    it(`${count} datums and a limit of 4 are worth ${workers} workers; one of them plans`, async () => {
      await using cluster = await etcd.cluster();
      await using all = await begun(cluster);
      await piped(all.master, "words", scaled);
      await soon(() => assert.equal(all.pools.status("words")?.reason, "nothing to do"));
      assert.equal(all.place.created, 0);
      const job = await commit(all.master, count);
      const [first = ""] = await all.place.has("words", 1);
      assert.match(all.pools.status("words")?.reason ?? "", /^1 plan to do/);
      all.master.dispatcher.connect("words", first, { claims: 1 });
      await planned(all.master, job, count);
      await all.place.has("words", workers);
      const { wanted, limit, running } = all.pools.status("words") ?? assert.fail();
      assert.deepEqual({ wanted, limit, running }, { wanted: workers, limit: 4, running: workers });
    });
  }

  it("idle ones go while a straggler runs, jobs share the others, and the last goes when all is done", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    const { dispatcher } = all.master;
    await piped(all.master, "words", scaled);
    const job = await commit(all.master, 8);
    const ledger = await planned(all.master, job, 8);
    const ids = await all.place.has("words", 4);
    for (const id of ids) dispatcher.connect("words", id, { claims: 1, given: 1 });
    const rows = datums(7).map((path) => ({ path }));
    await ledger.commit({ start: 0, end: 7, result: await all.master.runOf(job, 0, rows) });
    for (const id of ids.slice(1)) dispatcher.change(id, { claims: 0 });
    // One of them was given something in between, and so is idle for a shorter time; another has work at the other owner.
    const { lists } = all.place;
    await soon(() => assert.ok(all.place.lists > lists + 1));
    dispatcher.change(ids[2] ?? "", { given: 2 });
    dispatcher.change(ids[3] ?? "", { claimsElsewhere: 1 });
    await soon(() => assert.equal(dispatcher.drained[0], ids[1]));
    await soon(() => assert.deepEqual(dispatcher.drained.slice(1), [ids[2]]));
    for (const id of [ids[1], ids[2]]) {
      dispatcher.disconnect(id ?? "");
      all.place.end(id ?? "");
    }
    assert.deepEqual(dispatcher.exited, [], "a drained worker did not die");
    // A second job comes: both have the four.
    const second = await commit(all.master, 8);
    await planned(all.master, second, 8);
    await all.place.has("words", 4);
    assert.match(all.pools.status("words")?.reason ?? "", /9 datums to do, for which parallelism_spec allows 4/);
  });

  for (const [mebibytes, shards, workers] of [
    [640, 20, 4],
    [6, 4, 1],
  ] as const) {
    it(`a merge of ${mebibytes} MiB in ${shards} shards is worth ${workers} workers`, async () => {
      await using cluster = await etcd.cluster();
      await using all = await begun(cluster);
      const { dispatcher, world } = all.master;
      await piped(all.master, "words", scaled);
      const job = await commit(all.master, 1);
      const [first = ""] = await all.place.has("words", 1);
      dispatcher.connect("words", first, { claims: 1 });
      const ledger = await planned(all.master, job, 1);
      const result = await all.master.runOf(job, 0, [{ path: "/f0" }]);
      await ledger.commit({ start: 0, end: 1, result, totals: { outputBytes: BigInt(mebibytes * 1024 * 1024) } });
      const { kept } = await all.master.jobIn("words", api.JobState.MERGING);
      assert.equal(kept.record.workersMax, 4, "it is cut for all that may come");
      const meta = message(state.LedgerMetaSchema, { version: 1, n: BigInt(shards), pipeline: "words" });
      const put = { put: world.keys.ledgerMeta(job, "merge"), value: encode(state.LedgerMetaSchema, meta) };
      await cluster.etcd.txn({ compare: [], then: [put] });
      await soon(() => assert.match(all.pools.status("words")?.reason ?? "", new RegExp(`^${shards} shards to do`)));
      assert.equal(all.pools.status("words")?.wanted, workers);
      await all.place.has("words", workers);
    });
  }
});
