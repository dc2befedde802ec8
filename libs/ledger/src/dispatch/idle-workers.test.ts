// What workers get when nothing is free: tails of others (L6) and backups (L7).

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as immediate } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { dispatch } from "@sheaf/proto";
import { FakeWorker } from "./fake-worker.test-kit.ts";
import { beatOf, TIMING, useEtcd, world } from "./world.test-kit.ts";

useEtcd();

/** A worker with all of a ledger of 20, of which each index takes 100 ms; and an idle one. */
async function busyAndIdle(t: Parameters<typeof world>[0], meta = {}) {
  const it = await world(t).owned(20, meta);
  const busy = new FakeWorker(it.dispatcher, "busy");
  await busy.next("welcome");
  const claims: dispatch.Assign[] = [];
  for (let covered = 0n; covered < 20n; covered = (claims.at(-1) as dispatch.Assign).to) {
    busy.want(1);
    claims.push(await busy.next("assign"));
  }
  const idle = new FakeWorker(it.dispatcher, "idle");
  await idle.next("welcome");
  return { ...it, busy, idle, claims };
}

test("an idle worker gets the tail that another gives back (L6)", async (t) => {
  const { busy, idle, claims, ledger } = await busyAndIdle(t);
  const last = claims.at(-1) as dispatch.Assign;
  busy.beat(beatOfAll(claims));
  idle.want(1);
  const ask = await busy.next("release");
  assert.equal(ask.claim, last.claim);
  busy.say({ case: "released", value: { $typeName: "sheaf.dispatch.v1.Released", claim: ask.claim, from: ask.from } });
  const stolen = await idle.next("assign");
  assert.equal(stolen.from, ask.from);
  assert.equal(ledger.progress().steals, 1);
  busy.commit(last, ask.from, last.to);
  assert.equal((await busy.next("refused")).code, dispatch.RefusedCode.CLAIM_LOST, "all of it was given back");
});

test("a victim that does not answer is shrunk all the same (L6)", async (t) => {
  const { busy, idle, claims } = await busyAndIdle(t);
  busy.beat(beatOfAll(claims));
  idle.want(1);
  const ask = await busy.next("release");
  assert.equal((await idle.next("assign")).from, ask.from);
});

test("a victim whose answer came while the owner was late keeps what it says that it has begun (L6)", async (t) => {
  const { busy, idle, claims } = await busyAndIdle(t);
  const last = claims.at(-1) as dispatch.Assign;
  busy.beat(beatOfAll(claims));
  idle.want(1);
  const ask = await busy.next("release");
  const answer = create(dispatch.ReleasedSchema, { claim: ask.claim, from: last.to });
  // It is there, and not yet read, when the owner goes on: the timers that are due come before what has arrived.
  await immediate();
  const read = immediate().then(() => busy.say({ case: "released", value: answer }));
  const until = performance.now() + 2 * TIMING.releaseMs;
  while (performance.now() < until);
  await read;
  busy.commit(last, ask.from, last.to);
  await busy.next("committed");
});

/** All but the last index done at 1 ms each; that one has run for two seconds. */
async function withStraggler(t: Parameters<typeof world>[0], speculation: boolean, wants = 1) {
  const it = await busyAndIdle(t, { speculation });
  for (const one of it.claims) {
    const to = one.to === 20n ? 19n : one.to;
    if (one.from < to) it.busy.commit(one, one.from, to);
    if (one.from < to) await it.busy.next("committed");
  }
  const straggler = it.claims.at(-1) as dispatch.Assign;
  const running = [runningIndex({ index: 19n, runningMs: 2_000n })];
  it.busy.beat(beatOf(straggler, { next: 20n, running }));
  it.idle.want(wants);
  return { ...it, straggler };
}

test("a straggler gets a backup, and the first to commit wins: the backup (L7)", async (t) => {
  const { busy, idle, ledger, straggler } = await withStraggler(t, true);
  const race = await idle.next("race");
  assert.deepEqual([race.claim, race.fence, race.index], [straggler.claim, straggler.fence, 19n]);
  idle.commit(race, 19n, 20n);
  await idle.next("committed");
  const cancel = await busy.next("cancel");
  assert.deepEqual([cancel.claim, cancel.index, cancel.reason], [race.claim, 19n, dispatch.CancelReason.RACE_LOST]);
  busy.commit(straggler, 19n, 20n);
  assert.equal((await busy.next("refused")).code, dispatch.RefusedCode.CLAIM_LOST);
  const end = await ledger.end;
  assert.equal(end.kind, "complete");
  assert.equal(ledger.progress().totals.backups, 1n);
});

test("a straggler that nobody backs up is said to be one, for those who start workers", async (t) => {
  const { idle, owner, dispatcher } = await withStraggler(t, true, 0);
  while (owner.stragglers() === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const ofIdle = () => dispatcher.workers("pipe").find(({ worker }) => worker === "idle");
  assert.deepEqual([ofIdle()?.given, ofIdle()?.claims, ofIdle()?.draining], [0, 0, false]);
  idle.want(1);
  await idle.next("race");
  assert.equal(owner.stragglers(), 0);
  assert.deepEqual([ofIdle()?.given, ofIdle()?.claims], [1, 1]);
  dispatcher.drainWorker("pipe", "idle");
  await idle.next("drain");
  assert.equal(ofIdle()?.draining, true);
});

test("a straggler that is first after all ends its backup (L7)", async (t) => {
  const { busy, idle, ledger, straggler } = await withStraggler(t, true);
  const race = await idle.next("race");
  busy.commit(straggler, 19n, 20n);
  await busy.next("committed");
  const cancel = await idle.next("cancel");
  assert.deepEqual([cancel.claim, cancel.reason], [race.claim, dispatch.CancelReason.RACE_LOST]);
  idle.commit(race, 19n, 20n);
  assert.equal((await idle.next("refused")).code, dispatch.RefusedCode.CLAIM_LOST);
  assert.equal((await ledger.end).kind, "complete");
  assert.equal(ledger.progress().totals.backups, 0n);
});

test("without speculation a straggler is waited for", async (t) => {
  const { busy, idle, ledger, straggler } = await withStraggler(t, false);
  busy.beat(beatOf(straggler, { next: 20n }));
  busy.commit(straggler, 19n, 20n);
  assert.equal((await ledger.end).kind, "complete");
  assert.ok(!idle.received.some(({ case: kind }) => kind === "race"));
});

/** Nothing but the first index of the first claim has been started. */
function beatOfAll(claims: readonly dispatch.Assign[]): dispatch.Beat {
  const beat = beatOf(null);
  const [first] = claims;
  for (const claim of claims) {
    const running = claim === first ? [{ index: claim.from, runningMs: 100n }] : [];
    const next = claim.from + (claim === first ? 1n : 0n);
    beat.claims.push(...beatOf(claim, { next, running: running.map(runningIndex) }).claims);
  }
  return beat;
}

function runningIndex(one: { index: bigint; runningMs: bigint }): dispatch.RunningIndex {
  return { $typeName: "sheaf.dispatch.v1.RunningIndex", progress: "", ...one };
}
