import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Keys } from "@sheaf/etcd";
import { api, state } from "@sheaf/proto";
import { encode, message, type TestCluster, type TestMaster, testEtcd } from "../master.test-kit.ts";

const etcd = testEtcd();

describe("ClusterService", () => {
  it("shows replicas and versions, and no secret of the store", async () => {
    await using cluster = await etcd.cluster();
    const master = await cluster.master();
    const { keys } = master.world;
    const replica = (dispatchAddress: string) =>
      encode(
        state.ReplicaRecordSchema,
        message(state.ReplicaRecordSchema, { version: 1, dispatchAddress, programVersion: "0.1.0" }),
      );
    const then = [
      { put: keys.master("m1"), value: replica("127.0.0.1:1") },
      { put: keys.merger("g1"), value: replica("127.0.0.1:2") },
    ];
    const outcome = await cluster.etcd.txn({ compare: [], then });
    assert.equal(outcome.kind, "applied");
    let seen = await master.cluster.inspectCluster(message(api.InspectClusterRequestSchema, {}));
    while (seen.replicas.length < 2) {
      await new Promise((resolve) => setImmediate(resolve));
      seen = await master.cluster.inspectCluster(message(api.InspectClusterRequestSchema, {}));
    }
    assert.deepEqual(
      seen.replicas.map(({ id, service, address }) => [id, service, address]),
      [
        ["m1", "master", "127.0.0.1:1"],
        ["g1", "merge", "127.0.0.1:2"],
      ],
    );
    assert.match(seen.etcdVersion, /^3\.\d+\.\d+$/);
    assert.equal(seen.store, cluster.store.url);
  });

  it("lists workers by pipeline and id, page by page", async () => {
    await using cluster = await etcd.cluster();
    const master = await cluster.master();
    const { keys } = master.world;
    await withSessions(cluster, keys, [
      ["a", "w1"],
      ["a", "w2"],
      ["b", "w1"],
    ]);
    master.dispatcher.connect("a", "w2", { claims: 1 });
    const list = (fields: object) => master.cluster.listWorkers(message(api.ListWorkersRequestSchema, fields));
    const seen: string[] = [];
    for (let token = ""; ; ) {
      const page = await list({ page: { size: 2, token } });
      seen.push(...page.workers.map((worker) => `${worker.pipeline}/${worker.id} ${worker.slots} ${worker.claims}`));
      token = page.nextPageToken;
      if (token === "") break;
    }
    assert.deepEqual(seen, ["a/w1 2 0", "a/w2 2 1", "b/w1 2 0"]);
    assert.deepEqual(
      (await list({ pipeline: "b" })).workers.map((worker) => worker.id),
      ["w1"],
    );
    await assert.rejects(list({ page: { token: "x" } }), { code: "INVALID_ARGUMENT", reason: "PAGE_TOKEN_INVALID" });
  });

  it("drains a worker by its id or a beginning of it, as often as it is told", async () => {
    await using cluster = await etcd.cluster();
    const master = await cluster.master();
    await master.createRepo("in");
    await master.createPipeline("words", "in");
    const ids = ["00000001aa", "00000001ab", "00000002aa", "00000003", "00000003aa", "w1"];
    await withSessions(
      cluster,
      master.world.keys,
      ids.map((id) => ["words", id] as const),
    );
    for (const id of ids) master.dispatcher.connect("words", id);
    for (const named of ["00000001aa", "00000002", "00000002aa", "00000003", "00000003a", "w1"]) {
      const { worker } = await drain(master, named);
      assert.ok(worker?.draining && worker.id.startsWith(named), named);
    }
    const { workers } = await master.cluster.listWorkers(message(api.ListWorkersRequestSchema, {}));
    assert.deepEqual(
      workers.map(({ id, draining }) => [id, draining]),
      ids.map((id) => [id, id !== "00000001ab"]),
    );
    master.dispatcher.disconnect("00000001ab");
    for (const [named, code, reason] of [
      ["00000001", "INVALID_ARGUMENT", "WORKER_AMBIGUOUS"],
      ["0000000", "INVALID_ARGUMENT", "WORKER_INVALID"],
      ["", "INVALID_ARGUMENT", "WORKER_INVALID"],
      ["00000001/a", "INVALID_ARGUMENT", "WORKER_INVALID"],
      ["00000004", "NOT_FOUND", "WORKER_NOT_FOUND"],
      ["w", "INVALID_ARGUMENT", "WORKER_INVALID"],
      ["00000001ab", "UNAVAILABLE", "WORKER_AWAY"],
    ]) {
      await assert.rejects(drain(master, named ?? ""), { code, reason }, named);
    }
    await assert.rejects(drain(master, "00000001aa", "other"), { code: "NOT_FOUND", reason: "PIPELINE_NOT_FOUND" });
  });
});

function drain(master: TestMaster, worker: string, pipeline = "words") {
  return master.cluster.drainWorker(message(api.DrainWorkerRequestSchema, { pipeline, worker }));
}

/** Keys of workers' sessions, by pool and id. */
async function withSessions(cluster: TestCluster, keys: Keys, names: readonly (readonly [string, string])[]) {
  const record = message(state.WorkerRecordSchema, { version: 1, slots: 2, programVersion: "0.1.0" });
  const value = encode(state.WorkerRecordSchema, record);
  await cluster.etcd.txn({
    compare: [],
    then: names.map(([pool, worker]) => ({ put: keys.worker(pool, worker), value })),
  });
}
