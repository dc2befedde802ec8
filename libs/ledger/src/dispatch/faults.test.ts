// Whose fault it was (L9), who lies, and what somebody's hand in the keys does (L5).

import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { dispatch } from "@sheaf/proto";
import { FakeWorker } from "./fake-worker.test-kit.ts";
import { beatOf, etcd, process1, useEtcd, world } from "./world.test-kit.ts";

useEtcd();

const leaving = { case: "leaving", value: { $typeName: "sheaf.dispatch.v1.Leaving" } } as const;
const tryFailed = (assign: dispatch.Assign, index: bigint, tries: number) =>
  ({
    case: "tryFailed",
    value: { $typeName: "sheaf.dispatch.v1.TryFailed", claim: assign.claim, index, tries },
  }) as const;

test("tries outlive their worker and their owner, and losses are counted apart (L9)", async (t) => {
  const it = world(t);
  const first = await it.owned(1);
  const one = new FakeWorker(first.dispatcher, "w1");
  one.want(1);
  const assign = await one.next("assign");
  assert.deepEqual(assign.prior, []);
  one.say(tryFailed(assign, 0n, 2));
  one.say(leaving);
  await one.over;
  const two = new FakeWorker(first.dispatcher, "w2");
  two.want(1);
  const again = await two.next("assign");
  assert.deepEqual([again.prior[0]?.tries, again.prior[0]?.losses], [2, 0], "to leave in order is no loss");
  two.say(leaving);
  await two.over;
  await first.dispatcher.stop();
  const second = await it.owned(1);
  const three = new FakeWorker(second.dispatcher, "w3");
  three.want(1);
  const last = await three.next("assign");
  assert.equal(last.prior[0]?.tries, 2);
  three.commit(last, 0n, 1n);
  assert.equal((await second.ledger.end).kind, "complete");
  assert.deepEqual((await etcd.list(it.keys.failures("job1", "process"))).kvs, [], "its outcome is not open any more");
});

test("a datum that three distinct workers died with, alone in their claim, is quarantined (L9)", async (t) => {
  const { dispatcher } = await world(t).owned(1);
  for (const [i, id] of ["w1", "w2", "w3", "w4"].entries()) {
    const worker = new FakeWorker(dispatcher, id);
    worker.want(1);
    const { prior } = await worker.next("assign");
    assert.equal(prior[0]?.losses ?? 0, i);
    assert.equal(prior[0]?.quarantined ?? false, i === 3);
    dispatcher.workerExited("pipe", id, { isLoss: true });
    await worker.over;
  }
});

test("a datum that two workers died with has a worker to itself until its commit is answered (L9)", async (t) => {
  const { dispatcher, ledger } = await world(t).owned(3);
  const until = (isSo: () => boolean) =>
    new Promise<void>((resolve) => {
      const look = () => isSo() && resolve();
      ledger.onProgress(look);
      look();
    });
  const isCounted = (times: number) =>
    [0, 1].every((index) => ledger.progress().tries.get(index)?.lostWorkers.length === times);
  const workerFor = (id: string) => {
    const worker = new FakeWorker(dispatcher, id);
    worker.want(2);
    return worker;
  };
  // One of the first two kills them; nobody knows which.
  for (const [i, id] of ["w1", "w2"].entries()) {
    const worker = workerFor(id);
    const claims = [await worker.next("assign"), await worker.next("assign")];
    assert.deepEqual(claims.map(spanOf), ["0-1", "1-2"]);
    const beat = beatOf(null);
    for (const claim of claims)
      beat.claims.push(...beatOf(claim, { next: claim.to, running: [runningIndex(claim.from)] }).claims);
    worker.beat(beat);
    await until(() => ledger.progress().claims.every(({ running }) => running.length === 1));
    dispatcher.workerExited("pipe", id, { isLoss: true });
    await until(() => isCounted(i + 1) && ledger.progress().claimed === 0);
  }
  const third = workerFor("w3");
  const first = await third.next("assign");
  assert.deepEqual([spanOf(first), first.prior[0]?.losses], ["0-1", 2]);
  const fourth = workerFor("w4");
  const second = await fourth.next("assign");
  assert.deepEqual([spanOf(second), second.prior[0]?.losses], ["1-2", 2]);
  assert.equal(spanOf(await workerFor("w5").next("assign")), "2-3", "others go on with the rest");
  dispatcher.workerExited("pipe", "w4", { isLoss: true });
  await fourth.over;
  third.commit(first, 0n, 1n);
  assert.equal((await third.nextOf("assign", "committed")).case, "committed", "it has got nothing beside it");
  const last = await third.next("assign");
  assert.deepEqual([spanOf(last), last.prior[0]?.quarantined], ["1-2", true]);
});

test("what was lost does not wait behind what another holds and has not started", async (t) => {
  const { dispatcher, ledger } = await world(t).owned(40);
  const [stays, dies] = [new FakeWorker(dispatcher, "w1"), new FakeWorker(dispatcher, "w2")];
  await Promise.all([stays.next("welcome"), dies.next("welcome")]);
  const claims: dispatch.Assign[] = [];
  for (const worker of [stays, dies, stays]) {
    worker.want(1);
    claims.push(await worker.next("assign"));
  }
  const [first, lost, second] = claims as [dispatch.Assign, dispatch.Assign, dispatch.Assign];
  const beat = beatOf(first, { next: 1n, running: [runningIndex(0n)] });
  beat.claims.push(...beatOf(second, { next: second.from }).claims);
  stays.beat(beat);
  dies.beat(beatOf(lost, { next: lost.from + 1n, running: [runningIndex(lost.from)] }));
  const hears = Promise.withResolvers<void>();
  const look = () =>
    ledger.progress().claims.filter(({ running }) => running.length > 0).length === 2 && hears.resolve();
  ledger.onProgress(look);
  look();
  await hears.promise;
  dispatcher.workerExited("pipe", "w2", { isLoss: true });
  const asks = [await stays.next("release"), await stays.next("release")];
  assert.deepEqual(
    asks.map(({ claim, from }) => [claim, from]),
    [
      [first.claim, 1n],
      [second.claim, second.from],
    ],
  );
  for (const { claim, from } of asks)
    stays.say({ case: "released", value: { $typeName: "sheaf.dispatch.v1.Released", claim, from } });
  stays.want(1);
  assert.equal((await stays.next("assign")).from, lost.from);
});

function spanOf({ from, to }: dispatch.Assign): string {
  return `${from}-${to}`;
}

function runningIndex(index: bigint): dispatch.RunningIndex {
  return create(dispatch.RunningIndexSchema, { index, runningMs: 10n });
}

test("a broken stream is no loss, and a worker that stays away is one (L9)", async (t) => {
  const it = world(t);
  const { dispatcher } = await it.owned(1);
  const one = new FakeWorker(dispatcher, "w1");
  one.want(1);
  await one.next("assign");
  one.cut();
  const two = new FakeWorker(dispatcher, "w2");
  two.want(1);
  const again = await two.next("assign");
  assert.deepEqual(again.prior, [], "its stream broke: that says nothing yet");
  const beats = setInterval(() => two.beat(beatOf(again)), 25);
  t.after(async () => clearInterval(beats));
  const lost = Promise.withResolvers<void>();
  const watch = etcd.watch(it.keys.failure("job1", "process", 0), {
    snapshot: (kvs) => void (kvs.length > 0 && lost.resolve()),
    events: () => lost.resolve(),
  });
  await lost.promise;
  await watch.close();
});

test("beats that were begun before an Assign, and come after it, free nothing", async (t) => {
  const { dispatcher } = await world(t).owned(1);
  const worker = new FakeWorker(dispatcher, "w1");
  worker.want(1);
  const assign = await worker.next("assign");
  for (let i = 0; i < 3; i++) worker.beat(beatOf(null), 0);
  worker.commit(assign, assign.from, assign.to);
  assert.equal((await worker.next("committed")).claim, assign.claim);
});

test("what a lost worker held is handed out again in eighths (L9)", async (t) => {
  const { dispatcher } = await world(t).owned(1_000);
  const one = new FakeWorker(dispatcher, "w1");
  one.want(1);
  const lost = await one.next("assign");
  assert.equal(lost.to - lost.from, 16n);
  dispatcher.workerExited("pipe", "w1", { isLoss: true });
  const two = new FakeWorker(dispatcher, "w2");
  for (;;) {
    two.want(1);
    const piece = await two.next("assign");
    if (piece.from > 0n) continue; // the loss is not written yet
    return assert.equal(piece.to, 2n);
  }
});

test("a worker that lies is refused with a clear code, and its session is closed after three lies", async (t) => {
  const { dispatcher } = await world(t).owned(100);
  const liar = new FakeWorker(dispatcher, "liar");
  liar.want(1);
  const assign = await liar.next("assign");
  liar.commit(assign, 90n, 101n);
  assert.equal((await liar.next("refused")).code, dispatch.RefusedCode.OUTSIDE_CLAIM);
  liar.commit({ ...assign, fence: assign.fence - 1n }, assign.from, assign.to);
  assert.equal((await liar.next("refused")).code, dispatch.RefusedCode.WRONG_FENCE);
  assert.ok(!liar.ended);
  liar.commit({ ...assign, job: "other" }, assign.from, assign.to);
  assert.equal((await liar.next("refused")).code, dispatch.RefusedCode.BAD_RESULT);
  await liar.over;
});

type KeysOf = ReturnType<typeof world>["keys"];
const garbage = new Uint8Array([8, 1]);
const BY_HAND: { what: string; key: (keys: KeysOf, claim: string) => string; deleted: boolean }[] = [
  { what: "a claim that is deleted", key: (keys, claim) => keys.claim("job1", "process", claim), deleted: true },
  { what: "a meta key that is deleted", key: (keys) => keys.ledgerMeta("job1", "process"), deleted: true },
  { what: "a meta key that is changed", key: (keys) => keys.ledgerMeta("job1", "process"), deleted: false },
];

for (const { what, key, deleted } of BY_HAND) {
  test(`${what} by hand makes the ledger inconsistent, and is named (L5)`, async (t) => {
    const it = world(t);
    const { dispatcher, ledger } = await it.owned(4);
    const worker = new FakeWorker(dispatcher, "w1");
    worker.want(1);
    const assign = await worker.next("assign");
    const at = key(it.keys, assign.claim);
    await etcd.txn({ compare: [], then: [deleted ? { delete: at } : { put: at, value: garbage }] });
    worker.commit(assign, assign.from, assign.to);
    const end = await ledger.end;
    assert.ok(end.kind === "inconsistent" && end.message.includes(at), JSON.stringify(end));
  });
}

test("a done key that is changed or deleted by hand makes the ledger inconsistent, and is named (L5)", async (t) => {
  for (const op of ["delete", "put"]) {
    const it = world(t);
    const { dispatcher, ledger } = await it.owned(2);
    const worker = new FakeWorker(dispatcher, "w1");
    const key = it.keys.done("job1", "process", 0);
    for (const last of [false, true]) {
      worker.want(1);
      const assign = await worker.next("assign");
      if (last)
        await etcd.txn({
          compare: [],
          then: [op === "delete" ? { delete: key } : { put: key, value: garbage }],
        });
      worker.commit(assign, assign.from, assign.to);
      await worker.next("committed");
    }
    const end = await ledger.end;
    assert.ok(
      end.kind === "inconsistent" && end.message.includes(it.keys.dones("job1", "process")),
      JSON.stringify(end),
    );
  }
});

test("keys that cannot be read at a takeover make the ledger inconsistent, and are named (L5)", async (t) => {
  const it = world(t);
  const first = await it.owned(4);
  await first.dispatcher.stop();
  const key = it.keys.failure("job1", "process", 2);
  await etcd.txn({ compare: [], then: [{ put: key, value: new Uint8Array([8, 9]) }] });
  const second = await it.owned(4);
  const end = await second.ledger.end;
  assert.ok(end.kind === "inconsistent" && end.message.includes(key), JSON.stringify(end));
  assert.equal(process1.job, "job1");
});
