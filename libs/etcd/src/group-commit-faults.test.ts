/** Rules G6 to G8 of group-commit.ts: dead leases, bugs, lost answers; and its end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SheafError } from "@sheaf/runtime";
import { absent, bench, change, kinds, OWNER, put, unknown } from "./group-commit.fixture.ts";

test("G6: lease not found drops the changes of the dead lease only", async () => {
  const { etcd, clock, group } = bench();
  const [alive, dead] = [etcd.model.grant(), etcd.model.grant()];
  await etcd.model.revokeLease(dead);
  const outcomes = Promise.all([
    group.submit(change("a", [put("a", "v", alive)])),
    group.submit(change("b", [put("b1"), put("b2", "v", dead)])),
    group.submit(change("c")),
  ]);
  assert.deepEqual(kinds(await clock.until(outcomes)), ["applied", "lease-not-found", "applied"]);
  assert.deepEqual(etcd.writes, [
    ["a", "b1", "b2", "c"],
    ["a", "c"],
  ]);
});

test("G6: when no lease looks dead, the changes are tried apart", async () => {
  const { etcd, clock, group } = bench();
  const dead = "999";
  etcd.lookUp = async () => ({ ttlSeconds: 0, grantedTtlSeconds: 10, keys: [] });
  const names = ["a", "b", "c", "d"];
  const outcomes = Promise.all(names.map((n) => group.submit(change(n, [n === "c" ? put(n, "v", dead) : put(n)]))));
  assert.deepEqual(kinds(await clock.until(outcomes)), ["applied", "applied", "lease-not-found", "applied"]);
});

test("G6: leases that cannot be looked up make the outcome unknown", async () => {
  const { etcd, clock, group, touched } = bench();
  etcd.lookUp = () => Promise.reject(new Error("away"));
  const outcome = group.submit(change("a", [put("a", "v", "999")]));
  assert.deepEqual(await clock.until(outcome), { kind: "unknown" });
  assert.deepEqual(touched, [["a"]]);
});

test("G6: an invalid change is found by halving, is its submitter's bug, and costs nobody else", async () => {
  const { etcd, clock, group } = bench();
  const names = ["a", "b", "c", "d", "e"];
  const settled = Promise.allSettled(
    names.map((n) => group.submit(n === "d" ? change(n, [put("d"), put("d")]) : change(n))),
  );
  const outcomes = await clock.until(settled);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["fulfilled", "fulfilled", "fulfilled", "rejected", "fulfilled"],
  );
  const bug = outcomes[3]?.status === "rejected" ? outcomes[3].reason : undefined;
  assert.ok(bug instanceof SheafError && bug.code === "INTERNAL");
  assert.match(bug.message, /"d".*duplicate key/);
  const keys = etcd.model.all().map(({ key }) => key);
  assert.deepEqual(keys, [OWNER, "a", "b", "c", "e"]);
});

test("G7: an unknown outcome is sealed once and never sent again; the next batch goes on", async () => {
  const { etcd, clock, group, touched } = bench({ maxOps: 2 });
  etcd.script.push(() => unknown);
  const outcomes = Promise.all(["a", "b", "c"].map((n) => group.submit(change(n))));
  assert.deepEqual(kinds(await clock.until(outcomes)), ["unknown", "unknown", "applied"]);
  assert.deepEqual(touched, [["a", "b"]]);
  assert.deepEqual(etcd.writes, [["a", "b"], ["c"]]);
});

test("G7: nothing is sent while it seals", async () => {
  const { promise: sealing, resolve: sealed } = Promise.withResolvers<"sealed">();
  const { etcd, clock, group } = bench({ onUnknown: () => sealing });
  etcd.script.push(() => unknown);
  const first = group.submit(change("a"));
  await clock.advance(5);
  const second = group.submit(change("b"));
  await clock.advance(1_000);
  assert.equal(etcd.sent.length, 1);
  sealed("sealed");
  assert.deepEqual(kinds([await first, await second]), ["unknown", "applied"]);
});

test("G7: a client that throws is an unknown outcome too", async () => {
  const { etcd, clock, group, touched } = bench();
  etcd.script.push(() => Promise.reject(new Error("bug in the client")));
  assert.deepEqual(await clock.until(group.submit(change("a"))), { kind: "unknown" });
  assert.equal(touched.length, 1);
});

test("G7: a seal that fails, or throws, loses everything", async () => {
  const seals = [async () => "lost" as const, () => Promise.reject(new Error("no answer"))];
  for (const onUnknown of seals) {
    const { etcd, clock, group } = bench({ onUnknown, maxOps: 1 });
    etcd.script.push(() => unknown);
    const outcomes = Promise.all([group.submit(change("a")), group.submit(change("b"))]);
    assert.deepEqual(kinds(await clock.until(outcomes)), ["lost", "lost"]);
    assert.equal(etcd.sent.length, 1);
  }
});

test("G8: a refusal without a loser decides all, as a bug, instead of going round for ever", async () => {
  const { etcd, clock, group } = bench();
  etcd.script.push((txn) => ({
    kind: "refused",
    revision: etcd.model.revision,
    reads: (txn.else ?? []).map((op) =>
      "get" in op ? (etcd.model.all().find(({ key }) => key === op.get) ?? null) : null,
    ),
  }));
  const [first] = await clock.until(Promise.allSettled([group.submit(change("a"))]));
  assert.equal(first?.status, "rejected");
  assert.equal((await clock.until(group.submit(change("b")))).kind, "applied");
});

test("the guard is asked before each transaction, so a seal's new epoch is the next one's guard", async () => {
  let epoch = 0n;
  const { etcd, clock, group } = bench({
    guard: () => [{ key: OWNER, target: "mod", is: epoch }],
    onUnknown: async () => {
      etcd.model.apply({ compare: [], then: [put(OWNER, "me again")] });
      epoch = etcd.model.revision;
      return "sealed";
    },
  });
  epoch = etcd.model.revision;
  etcd.script.push(() => unknown);
  assert.equal((await clock.until(group.submit(change("a")))).kind, "unknown");
  assert.equal((await clock.until(group.submit(change("b")))).kind, "applied");
});

test("close() writes what was submitted, at once, and takes no more", async () => {
  const { clock, group } = bench();
  const submitted = group.submit(change("a"));
  const closed = group.close();
  assert.deepEqual(await group.submit(change("b")), { kind: "lost" });
  await closed;
  assert.equal((await submitted).kind, "applied");
  await group.close();
  assert.equal(clock.pending(), 0);
});

test("abandon() drops what was not sent; the one in flight gets its own outcome", async () => {
  const { etcd, clock, group } = bench({ maxOps: 1 });
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  etcd.script.push(async (txn) => {
    await gate;
    return etcd.model.apply(txn);
  });
  const outcomes = Promise.all(["a", "b"].map((n) => group.submit(change(n))));
  await clock.advance(5);
  group.abandon();
  open();
  assert.deepEqual(kinds(await outcomes), ["applied", "lost"]);
  assert.equal(etcd.sent.length, 1);
});

test("abandon() during a retry: the rest is lost, not sent again", async () => {
  const { etcd, clock, group } = bench();
  etcd.model.apply({ compare: [], then: [put("taken")] });
  etcd.script.push((txn) => {
    group.abandon();
    return etcd.model.apply(txn);
  });
  const outcomes = Promise.all([group.submit(change("a")), group.submit(change("b", [put("b")], [absent("taken")]))]);
  assert.deepEqual(kinds(await clock.until(outcomes)), ["lost", "refused"]);
  assert.equal(etcd.sent.length, 1);
});

test("room() waits while 10,000 changes are undecided", async () => {
  const { clock, group } = bench();
  const all = Array.from({ length: 10_000 }, (_, i) => group.submit(change(`k${i}`)));
  assert.equal(group.pending, 10_000);
  let room = false;
  const waiting = group.room().then(() => {
    room = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(room, false);
  await clock.until(Promise.all(all));
  await waiting;
  assert.equal(group.pending, 0);
});
