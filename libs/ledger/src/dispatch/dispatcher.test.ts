// The dispatcher against a real etcd, with workers that do what the test says.

import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import type { Etcd } from "@sheaf/etcd";
import { dispatch } from "@sheaf/proto";
import { type Random, seededRandom, systemRandom } from "@sheaf/runtime";
import { FakeWorker } from "./fake-worker.test-kit.ts";
import { beatOf, etcd, process1, useEtcd, world } from "./world.test-kit.ts";

useEtcd();

test("a ledger is handed out, committed, and complete when its done intervals tile it", async (t) => {
  const { dispatcher, ledger } = await world(t).owned(40);
  const work = async (id: string) => {
    const worker = new FakeWorker(dispatcher, id);
    await worker.next("welcome");
    for (;;) {
      worker.want(1);
      const assign = await Promise.race([worker.next("assign"), ledger.end.then(() => null)]);
      if (assign === null) return worker.say({ case: "leaving", value: { $typeName: "sheaf.dispatch.v1.Leaving" } });
      worker.commit(assign, assign.from, assign.to);
      await worker.next("committed");
    }
  };
  const workers = [work("w1"), work("w2")];
  const end = await ledger.end;
  await Promise.all(workers);
  assert.equal(end.kind, "complete");
  let covered = 0;
  for (const done of end.kind === "complete" ? end.done : []) {
    assert.equal(done.start, covered);
    covered = done.end;
  }
  assert.equal(covered, 40);
  assert.equal(ledger.progress().totals.succeeded, 40n);
});

test("103 what a worker that went away held is handed out again, and its late commit is refused (L4)", async (t) => {
  const { dispatcher, ledger } = await world(t).owned(1);
  const lost = new FakeWorker(dispatcher, "w1");
  lost.want(1);
  const first = await lost.next("assign");
  lost.cut();
  const other = new FakeWorker(dispatcher, "w2");
  other.want(1);
  const second = await other.next("assign");
  assert.equal(second.from, first.from);
  assert.notEqual(second.fence, first.fence);
  // It comes back as a zombie, and tries to commit what it no longer holds.
  const zombie = new FakeWorker(dispatcher, "w1");
  await zombie.next("welcome");
  zombie.commit(first, 0n, 1n);
  assert.equal((await zombie.next("refused")).code, dispatch.RefusedCode.CLAIM_LOST);
  other.commit(second, 0n, 1n);
  await other.next("committed");
  assert.equal((await ledger.end).kind, "complete");
});

test("a worker that is back within the grace keeps its claims", async (t) => {
  const { dispatcher, ledger } = await world(t).owned(1);
  const before = new FakeWorker(dispatcher, "w1");
  before.want(1);
  const assign = await before.next("assign");
  before.cut();
  const held = { ...assign, $typeName: "sheaf.dispatch.v1.HeldClaim" as const };
  const again = new FakeWorker(dispatcher, "w1", { holds: [held] });
  const welcome = await again.next("welcome");
  assert.deepEqual(
    welcome.stand.map((one) => [one.claim, one.fence]),
    [[assign.claim, assign.fence]],
  );
  again.commit(assign, 0n, 1n);
  await again.next("committed");
  assert.equal((await ledger.end).kind, "complete");
});

test("a worker that is back is told what was taken from it meanwhile (L6)", async (t) => {
  const { dispatcher } = await world(t).owned(100);
  const before = new FakeWorker(dispatcher, "w1");
  before.want(1);
  const assign = await before.next("assign");
  const held = { ...assign, $typeName: "sheaf.dispatch.v1.HeldClaim" as const };
  before.say({ case: "released", value: { $typeName: "sheaf.dispatch.v1.Released", claim: assign.claim, from: 4n } });
  before.commit(assign, 0n, 2n);
  await before.next("committed");
  before.cut();
  const again = new FakeWorker(dispatcher, "w1", { holds: [held] });
  const { stand } = await again.next("welcome");
  assert.deepEqual([stand[0]?.from, stand[0]?.to, stand[0]?.fence], [2n, 4n, assign.fence]);
});

test("a silent worker loses its claims", async (t) => {
  const { dispatcher } = await world(t).owned(1);
  const silent = new FakeWorker(dispatcher, "w1");
  silent.want(1);
  await silent.next("assign");
  const other = new FakeWorker(dispatcher, "w2");
  const beats = setInterval(() => other.beat(beatOf(null)), 50);
  t.after(async () => clearInterval(beats));
  other.want(1);
  assert.equal((await other.next("assign")).from, 0n);
  assert.ok(silent.ended);
});

test("a commit that is not inside its claim, or that its result does not name, is refused (L4)", async (t) => {
  const { dispatcher } = await world(t).owned(100);
  const worker = new FakeWorker(dispatcher, "w1");
  worker.want(1);
  const assign = await worker.next("assign");
  worker.commit(assign, assign.from, assign.to + 1n);
  const outside = await worker.next("refused");
  assert.equal(outside.code, dispatch.RefusedCode.OUTSIDE_CLAIM);
  assert.deepEqual([outside.stillFrom, outside.stillTo], [assign.from, assign.to]);
  worker.commit({ ...assign, job: "other" }, assign.from, assign.to);
  assert.equal((await worker.next("refused")).code, dispatch.RefusedCode.BAD_RESULT);
  worker.commit(assign, assign.from, assign.from + 2n);
  await worker.next("committed");
  worker.commit(assign, assign.from, assign.from + 2n);
  const twice = await worker.next("refused");
  assert.equal(twice.code, dispatch.RefusedCode.OUTSIDE_CLAIM);
  assert.deepEqual([twice.stillFrom, twice.stillTo], [assign.from + 2n, assign.to]);
});

test("after a takeover, claims that their worker shows stand with their fence, and others are freed", async (t) => {
  const it = world(t);
  const first = await it.owned(2);
  const [kept, gone] = [new FakeWorker(first.dispatcher, "w1"), new FakeWorker(first.dispatcher, "w2")];
  kept.want(1);
  const mine = await kept.next("assign");
  gone.want(1);
  await gone.next("assign");
  await first.dispatcher.stop();
  await kept.over;
  const second = await it.owned(2);
  const held = { ...mine, $typeName: "sheaf.dispatch.v1.HeldClaim" as const };
  const again = new FakeWorker(second.dispatcher, "w1", { holds: [held] });
  const beats = setInterval(() => again.beat(beatOf(mine)), 50);
  t.after(async () => clearInterval(beats));
  assert.equal((await again.next("welcome")).stand[0]?.fence, mine.fence);
  again.commit(mine, mine.from, mine.to);
  await again.next("committed");
  again.want(1);
  const rest = await again.next("assign"); // what w2 held, 200 ms after the takeover
  again.commit(rest, rest.from, rest.to);
  assert.equal((await second.ledger.end).kind, "complete");
});

test("hand-out stops when too much has failed, and the ledger gives up (L10)", async (t) => {
  const { dispatcher, ledger } = await world(t).owned(1_000, { giveUpAfterFailed: 10 });
  const worker = new FakeWorker(dispatcher, "w1");
  worker.want(1);
  const assign = await worker.next("assign");
  worker.commit(assign, assign.from, assign.to, assign.to - assign.from);
  await worker.next("committed");
  const end = await ledger.end;
  assert.equal(end.kind, "gave-up");
});

test("a done key that somebody else wrote makes the ledger inconsistent, and is named (L5)", async (t) => {
  const it = world(t);
  const { dispatcher, ledger } = await it.owned(1);
  const worker = new FakeWorker(dispatcher, "w1");
  worker.want(1);
  const assign = await worker.next("assign");
  const key = it.keys.done("job1", "process", 0);
  await etcd.txn({ compare: [], then: [{ put: key, value: new Uint8Array([8, 1]) }] });
  worker.commit(assign, 0n, 1n);
  const end = await ledger.end;
  assert.ok(end.kind === "inconsistent" && end.message.includes(key), JSON.stringify(end));
});

test("an empty ledger is complete at once", async (t) => {
  const { ledger } = await world(t).owned(0);
  assert.deepEqual(await ledger.end, { kind: "complete", done: [] });
});

/** An etcd whose writes may have an unknown outcome: applied, never applied, or applied late. */
function unsure(random: Random): Etcd {
  const txn: Etcd["txn"] = async (request, options) => {
    const fate = random.float();
    if (fate < 0.8) return etcd.txn(request, options);
    const unknown = { kind: "unknown" as const, cause: "made so by the test" };
    if (fate < 0.87) await etcd.txn(request, options);
    else if (fate < 0.94) setTimeout(() => void etcd.txn(request, options), random.int(40));
    return unknown;
  };
  return new Proxy(etcd, { get: (target, name) => (name === "txn" ? txn : Reflect.get(target, name).bind(target)) });
}

test("with writes of unknown outcome nothing is lost and nothing committed twice (L2, L4)", async (t) => {
  const seed = Number(process.env["SHEAF_SEED"] ?? systemRandom.int(2 ** 31));
  t.diagnostic(`SHEAF_SEED=${seed}`);
  const N = 30;
  const { dispatcher, ledger } = await world(t).owned(N, {}, unsure(seededRandom(seed)));
  const acknowledged: [bigint, bigint][] = [];
  const work = async (id: string) => {
    const worker = new FakeWorker(dispatcher, id);
    await worker.next("welcome");
    const beats = setInterval(() => worker.beat(beatOf(holding)), 25);
    t.after(async () => clearInterval(beats));
    let holding: dispatch.Assign | null = null;
    for (;;) {
      worker.want(1);
      const assign: dispatch.Assign | null = await Promise.race([worker.next("assign"), ledger.end.then(() => null)]);
      if (assign === null) return;
      holding = assign;
      for (;;) {
        worker.commit(assign, assign.from, assign.to);
        const answer = await worker.nextOf("committed", "refused");
        if (answer.case === "committed") break;
        // After TRY_AGAIN the first write never applies (it was sealed), so the same interval is committed anew.
        assert.equal(answer.case === "refused" && answer.value.code, dispatch.RefusedCode.TRY_AGAIN);
      }
      acknowledged.push([assign.from, assign.to]);
      holding = null;
    }
  };
  const workers = [work("w1"), work("w2"), work("w3")];
  const [end] = await Promise.all([ledger.end, ...workers]);
  assert.equal(end.kind, "complete");
  acknowledged.sort(([a], [b]) => Number(a - b));
  assert.deepEqual(
    acknowledged.map(([from]) => from),
    [0n, ...acknowledged.map(([, to]) => to)].slice(0, -1),
  );
  assert.equal(acknowledged.at(-1)?.[1], BigInt(N));
});

test("a pipeline that is not owned any more opens no ledger: it would be closed at once, for ever (L1)", async (t) => {
  const it = world(t);
  const { dispatcher, owner, ledger } = await it.owned(4);
  await dispatcher.release("pipe");
  assert.equal((await ledger.end).kind, "closed");
  const input = (await owner.ledgerMeta(process1))?.input;
  assert.ok(input);
  await assert.rejects(owner.openLedger(process1, { n: 4, input, order: "a" }), { reason: "NOT_OWNER" });
});

test("an index that runs is restarted where it runs; one that does not run is not", async (t) => {
  const { dispatcher, owner, ledger } = await world(t).owned(4);
  const worker = new FakeWorker(dispatcher, "w1");
  await worker.next("welcome");
  worker.want(1);
  const claim = await worker.next("assign");
  assert.equal(owner.restart(process1, 0), false, "it is held, and nobody said that it runs");
  const heard = Promise.withResolvers<void>();
  ledger.onProgress(() => {
    if (ledger.progress().claims.some(({ running }) => running.length > 0)) heard.resolve();
  });
  const running = [create(dispatch.RunningIndexSchema, { index: 0n, runningMs: 5n, progress: "40 %" })];
  worker.beat(beatOf(claim, { next: 1n, running }));
  await heard.promise;
  assert.equal(ledger.progress().claims[0]?.running[0]?.progress, "40 %");
  assert.equal(owner.restart(process1, 0), true);
  const said = await worker.next("cancel");
  assert.deepEqual([said.claim, said.index, said.reason], [claim.claim, 0n, dispatch.CancelReason.RESTARTED]);
  assert.equal(owner.restart(process1, 3), false);
  assert.equal(owner.restart({ ...process1, job: "other" }, 0), false);
  worker.cut();
  await worker.over;
  assert.equal(owner.restart(process1, 0), false, "its worker is away");
});
