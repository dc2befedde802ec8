import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keysOf } from "@sheaf/etcd";
import { api, state } from "@sheaf/proto";
import type { Provisioner, WorkerExit, WorkerHandle, WorkerSpec } from "@sheaf/provision";
import { resourceExhausted, testLogger } from "@sheaf/runtime";
import { encode, message, type TestCluster, type TestMaster, testEtcd } from "../master.test-kit.ts";
import { Mirror } from "../mirror/mirror.ts";
import { IDLE_MS } from "./decide.ts";
import { YOUNG_MS } from "./failures.ts";
import { limitOf } from "./limit.ts";
import { Pools } from "./pools.ts";

const etcd = testEtcd();

/** A place for workers where nothing runs. */
class FakeProvisioner implements Provisioner {
  readonly workers = new Map<string, WorkerHandle & { readonly spec: WorkerSpec }>();
  readonly #listeners = new Set<(exit: WorkerExit) => void>();
  #changed = Promise.withResolvers<void>();
  created = 0;
  broken = false;
  lists = 0;
  /** Nothing comes of a creation for this pool. */
  hung = "";

  async list() {
    this.lists++;
    return [...this.workers.values()];
  }

  async create(pool: string, spec: WorkerSpec): Promise<void> {
    this.created++;
    if (pool === this.hung) return new Promise(() => {});
    if (this.broken) throw resourceExhausted("NO_ROOM", "the machine has no room");
    this.workers.set(spec.id, { id: spec.id, pool, state: "running", createdAt: Date.now(), spec });
    this.#tell();
  }

  async remove(id: string): Promise<void> {
    this.end(id, { asked: true });
  }

  /** The process of a worker ends. */
  end(id: string, fields: Partial<WorkerExit> = {}): void {
    const worker = this.workers.get(id);
    if (!this.workers.delete(id) || worker === undefined) return;
    const exit = { id, pool: worker.pool, asked: false, code: 0, signal: undefined, logTail: "", ...fields };
    for (const listener of this.#listeners) listener(exit);
    this.#tell();
  }

  /** It seems to have been created that long ago. */
  age(id: string, ms: number): void {
    const worker = this.workers.get(id) ?? assert.fail();
    this.workers.set(id, { ...worker, createdAt: worker.createdAt - ms });
  }

  of(pool: string): WorkerHandle[] {
    return [...this.workers.values()].filter((worker) => worker.pool === pool);
  }

  /** Resolves when the pool has so many. */
  async has(pool: string, count: number): Promise<string[]> {
    while (this.of(pool).length !== count) await this.#changed.promise;
    return this.of(pool).map((worker) => worker.id);
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  readonly #onNodes = new Set<() => void>();
  #nodes = 1;

  nodes() {
    return this.#nodes;
  }

  onNodes(listener: () => void) {
    this.#onNodes.add(listener);
    return () => this.#onNodes.delete(listener);
  }

  /** Nodes come, or go. */
  resize(nodes: number): void {
    this.#nodes = nodes;
    for (const listener of this.#onNodes) listener();
  }

  onExit(listener: (exit: WorkerExit) => void) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close() {}
}

async function begun(cluster: TestCluster, place = new FakeProvisioner(), workersMax = 1_000, own = cluster.etcd) {
  const master = await cluster.master({ etcd: own });
  const { world } = master;
  const mergers = new Mirror({
    etcd: world.etcd,
    log: testLogger(),
    prefix: world.keys.mergers(),
    schema: state.ReplicaRecordSchema,
  });
  await mergers.start();
  const pools = new Pools({
    world,
    provisioner: place,
    dispatcher: master.dispatcher,
    owners: master.owners,
    pipelines: master.pipelinesMirror,
    jobs: master.jobsMirror,
    mergers,
    limit: (spec) => limitOf(spec, place.nodes()),
    workersMax,
    addresses: () => ({ masters: ["127.0.0.1:1"], mergers: ["127.0.0.1:2"] }),
    changed: () => {},
  });
  await pools.start();
  return { master, place, pools, [Symbol.asyncDispose]: () => pools.stop().then(() => mergers.stop()) };
}

const three = { parallelismSpec: { constant: 3n } as never };

async function piped(master: TestMaster, name: string, parts = {}) {
  await master.createRepo(`${name}-in`);
  await master.createPipeline(name, `${name}-in`, parts);
}

/** Gives the pipeline "words" another number of workers. */
function update(master: TestMaster, constant: bigint) {
  const spec = {
    pipeline: { name: "words" },
    transform: { cmd: ["true"] },
    input: { pfs: { repo: "words-in", glob: "/*" } },
    parallelismSpec: { constant },
  };
  return master.pipelines.updatePipeline(message(api.UpdatePipelineRequestSchema, { spec }));
}

describe("pools", () => {
  it("start as many workers as the spec says, with where to go", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    await piped(all.master, "words", three);
    const [id] = await all.place.has("words", 3);
    const { spec } = all.place.workers.get(id ?? "") ?? assert.fail();
    assert.deepEqual(spec, {
      id,
      slots: 1,
      masters: ["127.0.0.1:1"],
      mergers: ["127.0.0.1:2"],
      store: cluster.store.url,
    });
    assert.match(spec.id, /^[0-9a-f]{32}$/);
  });

  it("give workers the slots of the spec, and replace those that have another number", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    await piped(all.master, "words", { transform: { cmd: ["true"], slots: 4 } as never });
    const [id] = await all.place.has("words", 1);
    assert.equal(all.place.workers.get(id ?? "")?.spec.slots, 4);
    // It says that it has 1.
    all.master.dispatcher.connect("words", id ?? "");
    await all.place.has("words", 2);
    assert.deepEqual(all.master.dispatcher.drained, [id]);
  });

  it("replace a worker that dies, at once", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    await piped(all.master, "words", three);
    const [id] = await all.place.has("words", 3);
    all.place.end(id ?? "", { signal: "SIGKILL", code: undefined });
    const now = await all.place.has("words", 3);
    assert.ok(!now.includes(id ?? ""));
    assert.deepEqual(all.master.dispatcher.exited, [id], "the ledgers are told");
  });

  it("wait longer and longer for workers that die young, and say why", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    await piped(all.master, "words");
    for (let i = 0; i < 3; i++) {
      const [id] = await all.place.has("words", 1);
      all.place.end(id ?? "", { code: 2, logTail: "starting\nthe store \x1b[31mis not writable\n\n" });
    }
    assert.equal(all.pools.failing("words"), undefined, "it is known after the next look");
    await all.place.has("words", 1);
    assert.match(
      all.pools.failing("words") ?? "",
      /3 times in a row; the last one: exit code 2: the store \?\[31mis not writable$/,
    );
    const [id] = await all.place.has("words", 1);
    all.master.dispatcher.connect("words", id ?? "");
    await soon(() => assert.equal(all.pools.failing("words"), undefined, "one that connects ends that"));
  });

  it("one bad pipeline does not stop the others", async () => {
    await using cluster = await etcd.cluster();
    const place = new FakeProvisioner();
    await using all = await begun(cluster, place);
    place.broken = true;
    await piped(all.master, "bad");
    await soon(() => assert.ok(place.created > 0));
    place.broken = false;
    await piped(all.master, "good", three);
    await place.has("good", 3);
  });

  it("drain the workers of a pipeline that is stopped, and bring them back", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    await piped(all.master, "words");
    const [id = ""] = await all.place.has("words", 1);
    all.master.dispatcher.connect("words", id);
    await all.master.pipelines.stopPipeline(message(api.StopPipelineRequestSchema, { name: "words" }));
    await soon(() => assert.deepEqual(all.master.dispatcher.drained, [id]));
    all.master.dispatcher.disconnect(id);
    all.place.end(id);
    assert.deepEqual(all.master.dispatcher.exited, [], "it was told to go: no loss");
    await all.place.has("words", 0);
    await all.master.pipelines.startPipeline(message(api.StartPipelineRequestSchema, { name: "words" }));
    await all.place.has("words", 1);
    assert.equal(all.pools.failing("words"), undefined, "a drained worker did not die");
  });

  it("grow and shrink with the spec, idle workers first", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    await piped(all.master, "words", three);
    const ids = await all.place.has("words", 3);
    ids.forEach((id, i) => all.master.dispatcher.connect("words", id, { claims: i === 1 ? 0 : 1 }));
    await update(all.master, 2n);
    await soon(() => assert.deepEqual(all.master.dispatcher.drained, [ids[1]]));
    await update(all.master, 5n);
    await all.place.has("words", 6); // the drained one is still on its way out
  });

  it("one whose workers are being started for ever stops no other", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    all.place.hung = "bad";
    await piped(all.master, "bad");
    await soon(() => assert.equal(all.pools.status("bad")?.running, 1));
    await piped(all.master, "good", three);
    await all.place.has("good", 3);
    assert.equal(all.place.created, 4, "and is not started twice");
  });

  it("ask etcd nothing when nothing has changed, however often they look", async () => {
    await using cluster = await etcd.cluster();
    let calls = 0;
    const counted = new Proxy(cluster.etcd, {
      get(target, name) {
        const value = Reflect.get(target, name, target) as unknown;
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          calls++;
          return Reflect.apply(value, target, args) as unknown;
        };
      },
    });
    await using all = await begun(cluster, new FakeProvisioner(), 1_000, counted);
    await piped(all.master, "words", three);
    for (const id of await all.place.has("words", 3)) all.master.dispatcher.connect("words", id);
    await soon(() => assert.equal(all.pools.status("words")?.ready, 3));
    const [before, lists] = [calls, all.place.lists];
    for (let i = 0; all.place.lists < lists + 20; i++) {
      all.place.resize(1 + (i % 2));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    assert.equal(calls, before);
  });

  it("follow the nodes when a pipeline has a coefficient", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    await piped(all.master, "words", { parallelismSpec: { coefficient: 1.5 } as never });
    await all.place.has("words", 1);
    all.place.resize(3);
    const ids = await all.place.has("words", 4);
    for (const id of ids) all.master.dispatcher.connect("words", id);
    all.place.resize(2);
    await soon(() => assert.equal(all.master.dispatcher.drained.length, 1));
    assert.equal(all.pools.status("words")?.limit, 3);
  });

  it("never have more than the cluster's limit, leaving ones counted; each has one before one has two", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster, new FakeProvisioner(), 3);
    await piped(all.master, "a", three);
    const ids = await all.place.has("a", 3);
    for (const id of ids) all.master.dispatcher.connect("a", id, { claims: 1 });
    // What it asks for beyond its work is not needed where another has work.
    await piped(all.master, "b", three);
    await all.master.put("b-in", { "/x": "1" });
    await all.master.put("a-in", { "/x": "1" });
    await soon(() => assert.equal(all.master.dispatcher.drained.length, 1));
    const [gone = ""] = all.master.dispatcher.drained;
    assert.match(all.pools.doing("b"), /waiting for room/);
    assert.equal(all.place.of("b").length, 0);
    all.master.dispatcher.disconnect(gone);
    all.place.end(gone);
    await all.place.has("b", 1);
    assert.match(all.pools.status("a")?.reason ?? "", /^the limit of the cluster leaves 2 to this pipeline/);
    assert.equal(all.place.workers.size, 3);
  });

  it("end the workers of a pipeline that is deleted", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    await piped(all.master, "words", three);
    const ids = await all.place.has("words", 3);
    for (const id of ids) all.master.dispatcher.connect("words", id);
    await all.master.pipelines.deletePipeline(message(api.DeletePipelineRequestSchema, { name: "words" }));
    for (const id of ids) all.master.dispatcher.disconnect(id);
    await all.place.has("words", 0);
  });

  it("a master that starts again takes over the workers that run, also of pipelines that are gone", async () => {
    await using cluster = await etcd.cluster();
    const place = new FakeProvisioner();
    {
      await using before = await begun(cluster, place);
      await piped(before.master, "words", three);
      await place.has("words", 3);
      await before.pools.stop();
      await before.master.stop();
    }
    await place.create("deleted", { id: "f".repeat(32), slots: 1, masters: [], mergers: [], store: "" });
    const made = place.created;
    await using after = await begun(cluster, place);
    await place.has("deleted", 0);
    await soon(() => assert.equal(after.pools.status("words")?.running, 3));
    assert.equal(place.of("words").length, 3);
    assert.equal(place.created, made, "no doubles");
    void after;
  });

  it("after a takeover, workers that another master started are waited for, counted, and drained by name", async () => {
    await using cluster = await etcd.cluster();
    {
      await using before = await begun(cluster);
      await piped(before.master, "words", three);
      await before.pools.stop();
      await before.master.stop();
    }
    const [one, two] = ["1".repeat(32), "2".repeat(32)];
    const keys = keysOf(cluster.name);
    const record = { put: keys.worker("words", one), value: new Uint8Array() };
    await cluster.etcd.txn({ compare: [], then: [record, { ...record, put: keys.worker("words", two) }] });
    await using after = await begun(cluster);
    await after.place.has("words", 1); // of three
    for (const id of [one, two]) after.master.dispatcher.connect("words", id, { claims: 0 });
    const [own = ""] = await after.place.has("words", 1);
    after.master.dispatcher.connect("words", own, { claims: 1 });
    await update(after.master, 1n);
    await soon(() => assert.deepEqual(after.master.dispatcher.drained.toSorted(), [one, two]));
    assert.equal(after.place.created, 1);
  });

  it("after a takeover, workers that the last master was just starting are waited for as well", async () => {
    await using cluster = await etcd.cluster();
    const [first, second] = [new FakeProvisioner(), new FakeProvisioner()];
    const ids: string[] = [];
    {
      await using before = await begun(cluster, first);
      await piped(before.master, "words", three);
      ids.push(...(await first.has("words", 3)));
      await before.pools.stop();
      await before.master.stop();
    }
    await using after = await begun(cluster, second);
    await soon(() => assert.equal(after.pools.status("words")?.running, 3));
    assert.equal(second.created, 0);
    const listed = await after.master.cluster.listWorkers(message(api.ListWorkersRequestSchema, {}));
    assert.deepEqual(listed.workers, [], "they are not connected");
    for (const id of ids) after.master.dispatcher.connect("words", id);
    await soon(() => assert.equal(after.pools.status("words")?.ready, 3));
    assert.equal(second.created, 0);
  });

  it("start nobody once the pipeline is another master's, known or not", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    await piped(all.master, "words");
    await all.place.has("words", 1);
    const value = new Uint8Array();
    await cluster.etcd.txn({ compare: [], then: [{ put: keysOf(cluster.name).owner("words"), value }] });
    all.place.resize(2);
    all.place.end((await all.place.has("words", 1))[0] ?? "");
    await soon(() => assert.match(all.pools.doing("words"), /it changes hands/));
    assert.equal(all.place.created, 1);
  });

  it("a worker that lived long enough is no young death", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    await piped(all.master, "words");
    for (let i = 0; i < 4; i++) {
      const [id = ""] = await all.place.has("words", 1);
      all.place.age(id, YOUNG_MS);
      all.master.dispatcher.connect("words", id);
      await soon(() => assert.equal(all.pools.status("words")?.ready, 1));
      all.master.dispatcher.disconnect(id);
      all.place.end(id, { code: 1 });
    }
    await all.place.has("words", 1);
    assert.equal(all.pools.failing("words"), undefined);
  });
});

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
      assert.match(all.pools.status("words")?.reason ?? "", /^a job to plan to do/);
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
    const begunMs = performance.now();
    for (const id of ids.slice(1)) dispatcher.change(id, { claims: 0 });
    // One of them was given something in between, and so is idle for a shorter time; another has work at the other owner.
    const { lists } = all.place;
    await soon(() => assert.ok(all.place.lists > lists + 1));
    dispatcher.change(ids[2] ?? "", { given: 2 });
    dispatcher.change(ids[3] ?? "", { claimsElsewhere: 1 });
    await soon(() => assert.equal(dispatcher.drained.length, 1));
    assert.deepEqual(dispatcher.drained, [ids[1]]);
    assert.ok(performance.now() - begunMs >= IDLE_MS - 100);
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

/** Waits until the check passes; at most 10 s. */
async function soon(check: () => void): Promise<void> {
  const end = performance.now() + 10_000;
  for (;;) {
    try {
      return check();
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
