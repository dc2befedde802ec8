/** Rules G1 to G5 of group-commit.ts: batches, order, and who is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Txn } from "./etcd.ts";
import { absent, bench, bytes, change, kinds, OWNER, put } from "./group-commit.fixture.ts";

test("G1: changes of one tick go in one transaction, guarded, with one revision", async () => {
  const { etcd, clock, group } = bench();
  const all = Promise.all(["a", "b", "c"].map((name) => group.submit(change(name))));
  await clock.advance(4);
  assert.equal(etcd.sent.length, 0);
  await clock.advance(1);
  const outcomes = await all;
  assert.deepEqual(outcomes, Array(3).fill({ kind: "applied", revision: etcd.model.revision }));
  assert.deepEqual(etcd.writes, [["a", "b", "c"]]);
  assert.deepEqual(
    etcd.sent[0]?.compare.map(({ key }) => key),
    [OWNER],
  );
  assert.deepEqual(etcd.sent[0]?.else, [{ get: OWNER }]);
  assert.equal(clock.pending(), 0);
});

test("G1: one transaction is in flight; what comes meanwhile goes with the next, at once", async () => {
  const { etcd, clock, group } = bench();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  etcd.script.push(async (txn) => {
    await gate;
    return etcd.model.apply(txn);
  });
  const first = group.submit(change("a"));
  await clock.advance(5);
  const rest = Promise.all([group.submit(change("b")), group.submit(change("c"))]);
  await clock.advance(1_000);
  assert.equal(etcd.sent.length, 1);
  open();
  assert.deepEqual(kinds([await first, ...(await rest)]), ["applied", "applied", "applied"]);
  assert.deepEqual(etcd.writes, [["a"], ["b", "c"]]);
  assert.equal(clock.now(), 1_005);
});

test("G2: a batch holds at most maxOps operations and maxCompares compares", async () => {
  const { etcd, clock, group } = bench({ maxOps: 10, maxCompares: 4 });
  const small = Array.from({ length: 25 }, (_, i) => group.submit(change(`s${i}`)));
  await clock.until(Promise.all(small));
  assert.deepEqual(
    etcd.writes.map(({ length }) => length),
    [10, 10, 5],
  );
  const compared = Array.from({ length: 7 }, (_, i) =>
    group.submit(change(`c${i}`, [put(`c${i}`)], [absent(`c${i}`)])),
  );
  await clock.until(Promise.all(compared));
  // The guard takes one of the four.
  assert.deepEqual(
    etcd.writes.slice(3).map(({ length }) => length),
    [3, 3, 1],
  );
});

test("G2: compares that changes share count once, and are sent once", async () => {
  const { etcd, clock, group } = bench({ maxCompares: 3 });
  const meta = absent("/ledger/meta");
  const all = Array.from({ length: 50 }, (_, i) => group.submit(change(`c${i}`, undefined, [meta])));
  await clock.until(Promise.all(all));
  assert.equal(etcd.sent.length, 1);
  assert.equal(etcd.sent[0]?.compare.length, 2);
});

test("G3: a second change of a key waits, and sees what the first one wrote", async () => {
  const { etcd, clock, group } = bench();
  const outcomes = Promise.all([
    group.submit(change("a", [put("x", "1")], [absent("x")])),
    group.submit(change("b", [put("x", "2")], [{ key: "x", target: "value", is: bytes("1") }])),
    group.submit(change("c", [put("y")], [{ key: "x", target: "value", is: bytes("2") }])),
    group.submit(change("d", [put("z")])),
  ]);
  assert.deepEqual(kinds(await clock.until(outcomes)), ["applied", "applied", "applied", "applied"]);
  assert.deepEqual(etcd.writes, [["x", "z"], ["x"], ["y"]]);
});

test("G4: what waits is not overtaken by a change that shares a key with it", async () => {
  const { etcd, clock, group } = bench();
  const outcomes = Promise.all([
    group.submit(change("a", [put("x", "a")])),
    group.submit(change("b", [put("x", "b"), put("y", "b")], [absent("z")])),
    group.submit(change("c", [put("y", "c")])),
    group.submit(change("d", [put("z", "d")])),
  ]);
  assert.deepEqual(kinds(await clock.until(outcomes)), ["applied", "applied", "applied", "applied"]);
  const values = etcd.model.all().map(({ key, value }) => [key, Buffer.from(value).toString()]);
  assert.deepEqual(values, [
    ["/owner", "me"],
    ["x", "b"],
    ["y", "c"],
    ["z", "d"],
  ]);
});

test("G5: losers are refused with what they lost to; the rest is sent again once, at once", async () => {
  const { etcd, clock, group } = bench();
  etcd.model.apply({ compare: [], then: [put("taken", "theirs")] });
  const outcomes = Promise.all([
    group.submit(change("a")),
    group.submit(change("b", [put("b")], [absent("free"), absent("taken")])),
    group.submit(change("c")),
  ]);
  await clock.advance(5);
  const [a, b, c] = await outcomes;
  assert.deepEqual([a?.kind, c?.kind], ["applied", "applied"]);
  assert.equal(b?.kind, "refused");
  const current = b?.kind === "refused" ? b.current : [];
  assert.equal(current[0], null);
  assert.equal(current[1]?.key, "taken");
  assert.deepEqual(etcd.writes, [
    ["a", "b", "c"],
    ["a", "c"],
  ]);
  assert.equal(clock.now(), 5);
});

test("G5: a retry that is refused again drops again, round by round", async () => {
  const { etcd, clock, group } = bench();
  const someoneElse = (key: string) => (txn: Txn) => {
    etcd.model.apply({ compare: [], then: [put(key, "theirs")] });
    return etcd.model.apply(txn);
  };
  etcd.script.push(someoneElse("a"), someoneElse("b"), someoneElse("c"));
  const names = ["a", "b", "c", "d"];
  const outcomes = Promise.all(names.map((n) => group.submit(change(n, [put(n)], [absent(n)]))));
  assert.deepEqual(kinds(await clock.until(outcomes)), ["refused", "refused", "refused", "applied"]);
  assert.equal(etcd.sent.length, 4);
});

test("G5: a failed guard loses everything, for ever, and writes nothing more", async () => {
  const { etcd, clock, group } = bench({ maxOps: 1 });
  etcd.model.apply({ compare: [], then: [put(OWNER, "somebody else")] });
  const outcomes = Promise.all([group.submit(change("a")), group.submit(change("b"))]);
  assert.deepEqual(kinds(await clock.until(outcomes)), ["lost", "lost"]);
  assert.deepEqual(await group.submit(change("c")), { kind: "lost" });
  assert.equal(etcd.sent.length, 1);
  assert.deepEqual(
    etcd.model.all().map(({ key }) => key),
    [OWNER],
  );
});
