import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keysOf } from "@sheaf/etcd";
import { api, state } from "@sheaf/proto";
import type { Provisioner, WorkerExit, WorkerHandle, WorkerSpec } from "@sheaf/provision";
import { resourceExhausted, testLogger } from "@sheaf/runtime";
import { message, type TestCluster, type TestMaster, testEtcd } from "../master.test-kit.ts";
import { Mirror } from "../mirror/mirror.ts";
import { YOUNG_MS } from "./decide.ts";
import { Pools } from "./pools.ts";

const etcd = testEtcd();

/** A place for workers where nothing runs. */
class FakeProvisioner implements Provisioner {
  readonly workers = new Map<string, WorkerHandle & { readonly spec: WorkerSpec }>();
  readonly #listeners = new Set<(exit: WorkerExit) => void>();
  #changed = Promise.withResolvers<void>();
  created = 0;
  broken = false;

  async list() {
    return [...this.workers.values()];
  }

  async create(pool: string, spec: WorkerSpec): Promise<void> {
    this.created++;
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

  nodes() {
    return 1;
  }

  onExit(listener: (exit: WorkerExit) => void) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close() {}
}

async function begun(cluster: TestCluster, place = new FakeProvisioner()) {
  const master = await cluster.master();
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
    mergers,
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
    await settled();
    assert.equal(all.pools.failing("words"), undefined, "one that connects ends that");
  });

  it("one bad pipeline does not stop the others", async () => {
    await using cluster = await etcd.cluster();
    const place = new FakeProvisioner();
    await using all = await begun(cluster, place);
    place.broken = true;
    await piped(all.master, "bad");
    await settled();
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
    await settled();
    assert.deepEqual(all.master.dispatcher.drained, [id]);
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
    await settled();
    assert.deepEqual(all.master.dispatcher.drained, [ids[1]]);
    await update(all.master, 5n);
    await all.place.has("words", 6); // the drained one is still on its way out
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
    await settled();
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
    await settled();
    assert.deepEqual(after.master.dispatcher.drained.toSorted(), [one, two]);
    assert.equal(after.place.created, 1);
  });

  it("a worker that lived long enough is no young death", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    await piped(all.master, "words");
    for (let i = 0; i < 4; i++) {
      const [id = ""] = await all.place.has("words", 1);
      all.place.age(id, YOUNG_MS);
      all.master.dispatcher.connect("words", id);
      await settled();
      all.master.dispatcher.disconnect(id);
      all.place.end(id, { code: 1 });
    }
    await all.place.has("words", 1);
    assert.equal(all.pools.failing("words"), undefined);
  });
});

/** The loops have run through whatever woke them: they wait for nothing but etcd and this process. */
async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}
