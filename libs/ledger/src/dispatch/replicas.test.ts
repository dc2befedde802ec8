// Several replicas over one real etcd: who owns what, how it moves, and where workers are sent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Etcd, keysOf } from "@sheaf/etcd";
import { newId, systemClock, systemRandom, testLogger } from "@sheaf/runtime";
import type { Dispatcher, Ownership } from "../door.ts";
import { rightfulOwner, STAND_IN_MS } from "../owner/placement.ts";
import { createDispatcher } from "./dispatcher.ts";
import { FakeWorker, verifyFake } from "./fake-worker.test-kit.ts";
import { etcd, useEtcd } from "./world.test-kit.ts";

const log = testLogger();
let clusters = 0;

useEtcd();

type Testing = { after(fn: () => Promise<void>): void };

/** A cluster of its own in the one etcd. Its replicas listen nowhere; each has an address that says who it is. */
function cluster(t: Testing) {
  const keys = keysOf(`replicas-${clusters++}`);
  const ending = new AbortController();
  t.after(async () => ending.abort());
  return {
    keys,
    signal: ending.signal,
    replica: async (id = newId(systemRandom), through = etcd): Promise<Dispatcher> => {
      const dispatcher = createDispatcher({
        ...{ etcd: through, keys, log, clock: systemClock, random: systemRandom, replica: id, role: "master" },
        version: "0.1.0",
        verify: verifyFake,
        addresses: () => ({ dispatchAddress: `at-${id}`, apiAddress: `api-${id}` }),
      });
      t.after(() => dispatcher.stop());
      await dispatcher.start();
      return dispatcher;
    },
  };
}

/** A pipeline that shall be this one's, of these. */
function pipelineOf(owner: Dispatcher, all: readonly Dispatcher[]): string {
  const ids = all.map((each) => each.replica);
  for (let i = 0; ; i++) if (rightfulOwner(`pipe-${i}`, ids) === owner.replica) return `pipe-${i}`;
}

/** Resolves when all of them know that this one owns it. */
async function known(all: readonly Dispatcher[], pipeline: string, owner: Dispatcher): Promise<void> {
  for (const one of all) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const isSo = () => one.owner(pipeline)?.id === owner.replica;
    const forget = one.onOwners(() => isSo() && resolve());
    if (!isSo()) await promise;
    forget();
  }
}

/** Owns whatever falls to it, as a master does: hands over when it is recalled, and campaigns anew. */
function keepOwning(dispatcher: Dispatcher, pipeline: string, signal: AbortSignal): void {
  const run = async () => {
    for (;;) {
      const owner: Ownership = await dispatcher.own(pipeline, signal);
      owner.serve();
      await Promise.race([owner.recalled, owner.lost]);
      await dispatcher.release(pipeline);
    }
  };
  run().catch((error) => {
    if (!signal.aborted) throw error;
  });
}

test("each pipeline goes to the replica that the hash names, and moves when that one goes", async (t) => {
  const it = cluster(t);
  const all = [await it.replica(), await it.replica()] as const;
  const [a, b] = all;
  const names = [pipelineOf(a, all), pipelineOf(b, all)];
  for (const name of names) for (const one of all) keepOwning(one, name, it.signal);
  await known(all, names[0] ?? "", a);
  await known(all, names[1] ?? "", b);
  await b.stop();
  await known([a], names[1] ?? "", a);
});

test("a replica that comes gets its share from its owner, and the owner does not take it back (H3)", async (t) => {
  const it = cluster(t);
  const a = await it.replica("a");
  const ids = ["a", "b"];
  const pipeline = Array.from({ length: 99 }, (_, i) => `pipe-${i}`).find((name) => rightfulOwner(name, ids) === "b");
  assert.ok(pipeline);
  keepOwning(a, pipeline, it.signal);
  await known([a], pipeline, a);
  const b = await it.replica("b");
  keepOwning(b, pipeline, it.signal);
  await known([a, b], pipeline, b);
  const { modRevision } = (await etcd.get(it.keys.owner(pipeline))) ?? assert.fail();
  await systemClock.sleep(STAND_IN_MS + 200);
  assert.equal((await etcd.get(it.keys.owner(pipeline)))?.modRevision, modRevision);
});

test("a rightful owner that does not take its pipeline loses it after two seconds, and does not get it by waking up (H2, H3)", async (t) => {
  const it = cluster(t);
  const all = [await it.replica(), await it.replica()] as const;
  const [stuck, other] = all;
  const pipeline = pipelineOf(stuck, all);
  const began = performance.now();
  keepOwning(other, pipeline, it.signal);
  await known([other], pipeline, other);
  const tookMs = performance.now() - began;
  assert.ok(tookMs >= STAND_IN_MS, `${tookMs} ms`);
  keepOwning(stuck, pipeline, it.signal);
  await systemClock.sleep(200);
  assert.equal(other.owner(pipeline)?.id, other.replica);
});

test("a pipeline that is released is free, also when etcd does not say so at first (L2)", async (t) => {
  const it = cluster(t);
  let lost = 0;
  const txn: Etcd["txn"] = async (request, options) => {
    const gives = request.then.some((op) => "delete" in op && op.delete === it.keys.owner("pipe"));
    if (gives && lost++ < 2) return { kind: "unknown", cause: "it never arrived" };
    return etcd.txn(request, options);
  };
  const unsure = new Proxy(etcd, {
    get: (target, name) => (name === "txn" ? txn : Reflect.get(target, name).bind(target)),
  });
  const a = await it.replica("a", unsure);
  await a.own("pipe", it.signal);
  await a.release("pipe");
  assert.equal(await etcd.get(it.keys.owner("pipe")), null);
  assert.equal(lost, 3);
});

test("of two that both think they own a pipeline one is refused by etcd, and steps down by itself (L1)", async (t) => {
  const it = cluster(t);
  const all = [await it.replica(), await it.replica()] as const;
  const [a, b] = all;
  const pipeline = pipelineOf(a, all);
  const first = await a.own(pipeline, it.signal);
  // Its key goes behind its back (a lease that etcd revoked by itself, say): it does not know.
  await etcd.txn({ compare: [], then: [{ delete: it.keys.owner(pipeline) }] });
  const second = await b.own(pipeline, it.signal);
  const write = (value: string) => ({
    name: "a write",
    compare: [],
    ops: [{ put: it.keys.repo("r"), value: Buffer.from(value) }],
  });
  assert.equal((await second.submit(write("second"))).kind, "applied");
  assert.equal((await first.submit(write("first"))).kind, "lost");
  await first.lost;
  assert.equal(Buffer.from((await etcd.get(it.keys.repo("r")))?.value ?? []).toString(), "second");
  assert.equal((await second.submit(write("again"))).kind, "applied", "the other goes on");
});

test("a worker at the wrong replica is told where the owner is", async (t) => {
  const it = cluster(t);
  const all = [await it.replica(), await it.replica()] as const;
  const [a, b] = all;
  const owner = await a.own(pipelineOf(a, all), it.signal);
  owner.serve();
  await known(all, owner.pipeline, a);
  const worker = new FakeWorker(b, "w1", { pool: owner.pipeline });
  assert.equal((await worker.next("elsewhere")).address, `at-${a.replica}`);
});

test("a worker that comes before the owner is there is kept, and welcomed as soon as it is", async (t) => {
  const it = cluster(t);
  const a = await it.replica();
  const worker = new FakeWorker(a, "w1", { pool: "pipe" });
  const owner = await a.own("pipe", it.signal);
  owner.serve();
  await worker.next("welcome");
});

test("a worker that was sent to a dead owner and is back is kept until another owns the pipeline", async (t) => {
  const it = cluster(t);
  const all = [await it.replica(), await it.replica()] as const;
  const [dead, b] = all;
  const pipeline = pipelineOf(dead, all);
  await dead.own(pipeline, it.signal);
  await known(all, pipeline, dead);
  await new FakeWorker(b, "w1", { pool: pipeline }).next("elsewhere");
  const back = new FakeWorker(b, "w1", { pool: pipeline });
  keepOwning(b, pipeline, it.signal);
  await dead.stop(); // as when its lease has expired
  await back.next("welcome");
});
