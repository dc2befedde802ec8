import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keysOf } from "@sheaf/etcd";
import { api } from "@sheaf/proto";
import { NO_NEEDS } from "@sheaf/provision";
import { systemClock } from "@sheaf/runtime";
import { message, type TestMaster, testEtcd } from "../master.test-kit.ts";
import { YOUNG_MS } from "./failures.ts";
import { begun, FakeProvisioner, piped, soon } from "./pools.test-kit.ts";

const etcd = testEtcd();

const three = { parallelismSpec: { constant: 3n } as never };

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
      needs: NO_NEEDS,
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

  it("have a worker go that somebody names, and start another in its place", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    await piped(all.master, "words");
    const [id = ""] = await all.place.has("words", 1);
    assert.equal(all.pools.drainWorker("words", id), false, "it is not connected yet");
    all.master.dispatcher.connect("words", id, { claims: 1 });
    for (let i = 0; i < 2; i++) assert.equal(all.pools.drainWorker("words", id), true);
    assert.deepEqual(all.master.dispatcher.drained, [id, id]);
    const both = await all.place.has("words", 2);
    assert.ok(both.includes(id), "it may take as long as what it runs");
    all.place.end(id, {});
    await all.place.has("words", 1);
    assert.equal(all.pools.failing("words"), undefined, "that was no death");
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

  it("wait longer and longer for workers that cannot be started, also while others of the pool work, and say why", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    await piped(all.master, "words", three);
    const ids = await all.place.has("words", 3);
    for (const id of ids) all.master.dispatcher.connect("words", id);
    all.place.broken = true;
    const [first = ""] = ids;
    all.master.dispatcher.disconnect(first);
    all.place.age(first, 60_000);
    all.place.end(first, { taken: true });
    const before = all.place.created;
    const begunMs = systemClock.now();
    await soon(() => assert.ok(all.place.created >= before + 3));
    assert.ok(systemClock.now() - begunMs >= 500, "the third is not tried at once");
    await soon(() => assert.match(all.pools.status("words")?.reason ?? "", /started later: the machine has no room/));
    assert.equal(all.pools.failing("words"), undefined, "two of them work");
    all.place.broken = false;
    await all.place.has("words", 3);
    await soon(() => assert.doesNotMatch(all.pools.status("words")?.reason ?? "", /no room/));
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

  it("leave a worker that cannot start to its place, say why and what to do, and stop saying it", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    await piped(all.master, "words", { parallelismSpec: { constant: 2n } as never });
    const [a = "", b = ""] = await all.place.has("words", 2);
    const trouble = 'image "no/such:1" cannot be pulled; correct transform.image';
    all.place.say(a, { state: "starting", trouble });
    await soon(() => assert.equal(all.pools.failing("words"), trouble));
    assert.match(all.pools.doing("words"), /^1 of 2 workers cannot start or go on: image "no\/such:1"/);
    all.master.dispatcher.connect("words", b);
    await soon(() => assert.equal(all.pools.failing("words"), undefined, "one of them works"));
    assert.match(all.pools.doing("words"), /cannot start/);
    all.place.say(a, { state: "running", trouble: undefined });
    await soon(() => assert.doesNotMatch(all.pools.doing("words"), /cannot start/));
    assert.equal(all.place.created, 2, "nobody was started in their place");
  });

  it("replace workers that are made in another way than the spec wants now, also those that never started", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    await piped(all.master, "words", { parallelismSpec: { constant: 2n } as never });
    const [a = "", b = ""] = await all.place.has("words", 2);
    all.master.dispatcher.connect("words", a);
    all.place.say(b, { state: "starting", trouble: "no node can take its pod" });
    const spec = {
      pipeline: { name: "words" },
      transform: { cmd: ["true"], image: "python:3" },
      input: { pfs: { repo: "words-in", glob: "/*" } },
      parallelismSpec: { constant: 2n },
    };
    await all.master.pipelines.updatePipeline(message(api.UpdatePipelineRequestSchema, { spec }));
    await soon(() => {
      assert.deepEqual(all.master.dispatcher.drained, [a]);
      assert.equal(all.place.workers.has(b), false);
      assert.equal(all.place.of("words").length, 3);
    });
    const needs = [...all.place.workers.values()].map((worker) => [worker.shape, worker.spec.needs.image]);
    assert.deepEqual(needs.sort(), [
      ["", ""],
      ["python:3", "python:3"],
      ["python:3", "python:3"],
    ]);
  });

  it("replace a worker of whose machine nothing is heard, unless it is in session", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    await piped(all.master, "words", { parallelismSpec: { constant: 2n } as never });
    const [a = "", b = ""] = await all.place.has("words", 2);
    all.master.dispatcher.connect("words", a);
    for (const id of [a, b]) all.place.say(id, { state: "unheard" });
    await soon(() => {
      assert.deepEqual([all.place.workers.has(a), all.place.workers.has(b)], [true, false]);
      assert.equal(all.place.of("words").length, 2);
    });
    assert.deepEqual(all.master.dispatcher.drained, []);
  });

  it("a worker that its place took away is no loss; one after another is a young death all the same", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    await piped(all.master, "words");
    for (let i = 0; i < 3; i++) {
      const [id = ""] = await all.place.has("words", 1);
      all.place.end(id, { taken: true, why: "the cluster took its pod away: preempted" });
    }
    await all.place.has("words", 1);
    assert.equal(all.master.dispatcher.taken.length, 3);
    assert.match(
      all.pools.failing("words") ?? "",
      /3 times in a row; the last one: the cluster took its pod away: preempted$/,
    );
  });

  it("tell every pipeline when the place cannot say what there is", async () => {
    await using cluster = await etcd.cluster();
    const place = new FakeProvisioner();
    place.away = "cannot list the workers: the Kubernetes API cannot be reached";
    await using all = await begun(cluster, place);
    await piped(all.master, "words");
    await soon(() => assert.equal(all.pools.failing("words"), place.away));
    place.away = undefined;
    await all.place.has("words", 1);
    assert.equal(all.pools.failing("words"), undefined);
  });

  it("leave young workers of a pipeline that they have not heard of yet: another master may have", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster);
    const spec = { slots: 1, masters: [], mergers: [], store: "", needs: NO_NEEDS };
    await all.place.create("unheard", { id: "young", ...spec });
    await all.place.create("unheard", { id: "old", ...spec });
    await piped(all.master, "words");
    await all.place.has("words", 1);
    assert.equal(all.place.of("unheard").length, 2);
    for (const id of ["young", "old"]) all.place.age(id, 60_000);
    await all.place.has("unheard", 0);
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

  it("leave to other masters what is theirs of the cluster's limit, by what etcd shows", async () => {
    await using cluster = await etcd.cluster();
    await using all = await begun(cluster, new FakeProvisioner(), 4);
    all.master.dispatcher.elsewhere.add("b");
    await piped(all.master, "b", three);
    await piped(all.master, "a", three);
    await all.place.has("a", 2);
    assert.equal(all.pools.status("b"), undefined);
    await all.master.put("a-in", { "/x": "1" });
    await all.place.has("a", 3); // those of b are not known to have work
    for (const id of all.place.workers.keys()) all.master.dispatcher.connect("a", id);
    await all.master.pipelines.stopPipeline(message(api.StopPipelineRequestSchema, { name: "b" }));
    await soon(() => assert.equal(all.pools.status("a")?.share, 3));
    assert.deepEqual(all.master.dispatcher.drained, []);
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
    await place.create("deleted", {
      id: "f".repeat(32),
      slots: 1,
      masters: [],
      mergers: [],
      store: "",
      needs: NO_NEEDS,
    });
    place.age("f".repeat(32), 60_000);
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
