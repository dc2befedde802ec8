import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { api, state } from "@sheaf/proto";
import { encode, message, testEtcd } from "../master.test-kit.ts";

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
    const value = encode(
      state.WorkerRecordSchema,
      message(state.WorkerRecordSchema, { version: 1, slots: 2, programVersion: "0.1.0" }),
    );
    const names = [
      ["a", "w1"],
      ["a", "w2"],
      ["b", "w1"],
    ] as const;
    await cluster.etcd.txn({
      compare: [],
      then: names.map(([pool, worker]) => ({ put: keys.worker(pool, worker), value })),
    });
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
});
