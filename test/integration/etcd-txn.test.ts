/** Transactions and reads of libs/etcd against a real etcd: every outcome, and what makes it. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type KeyValue, type Op, type Txn, VALUE_BYTES_MAX } from "@sheaf/etcd";
import { bytes, startTestEtcd, textOf } from "../kit/etcd-server.ts";
import { freeze } from "../kit/freeze.ts";

const etcd = await startTestEtcd(after);
const client = await etcd.connect();

const put = (key: string, value = "v"): Op => ({ put: key, value: bytes(value) });
const puts = (prefix: string, count: number): Op[] =>
  Array.from({ length: count }, (_, i) => put(`${prefix}${String(i).padStart(5, "0")}`));

test("applied: with the revision, and one read for each get, in order", async () => {
  const outcome = await client.txn({
    compare: [{ key: "/t1/a", target: "create", is: 0n }],
    then: [put("/t1/a", "1"), { get: "/t1/a" }, { get: "/t1/none" }],
  });
  assert.ok(outcome.kind === "applied");
  const [a, none] = outcome.reads;
  assert.equal(textOf(a?.value), "1");
  assert.deepEqual(
    [a?.createRevision, a?.modRevision, a?.version, a?.lease],
    [outcome.revision, outcome.revision, 1n, "0"],
  );
  assert.equal(none, null);
  assert.deepEqual(await client.get("/t1/a"), a);
  assert.equal(await client.get("/t1/none"), null);
});

test("refused: the else branch ran, nothing of the then branch did", async () => {
  await client.txn({ compare: [], then: [put("/t2/a", "1")] });
  for (const compare of [
    { key: "/t2/a", target: "create", is: 0n },
    { key: "/t2/a", target: "mod", is: 1n },
    { key: "/t2/a", target: "value", is: bytes("2") },
    { key: "/t2/none", target: "value", is: bytes("") },
  ] as const) {
    const outcome = await client.txn({
      compare: [compare],
      then: [put("/t2/b")],
      else: [{ get: "/t2/a" }],
    });
    assert.ok(outcome.kind === "refused", compare.target);
    assert.equal(textOf(outcome.reads[0]?.value), "1");
  }
  assert.equal(await client.get("/t2/b"), null);
});

test("lease-not-found, and nothing was written", async () => {
  const then: Op[] = [put("/t3/a"), { put: "/t3/b", value: bytes("v"), lease: "12345" }];
  assert.deepEqual(await client.txn({ compare: [], then }), { kind: "lease-not-found" });
  assert.equal(await client.get("/t3/a"), null);
});

test("128 operations and 128 compares pass, 129 of either are invalid", async () => {
  assert.equal((await client.txn({ compare: [], then: puts("/t4/", 128) })).kind, "applied");
  assert.equal((await client.txn({ compare: [], then: puts("/t4/", 129) })).kind, "invalid");
  const absent = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ key: `/x${i}`, target: "create", is: 0n }) as const);
  assert.equal((await client.txn({ compare: absent(128), then: [] })).kind, "applied");
  assert.equal((await client.txn({ compare: absent(129), then: [] })).kind, "invalid");
});

test("a key that is written twice, and a request that is too large, are invalid", async () => {
  const twice = await client.txn({ compare: [], then: [put("/t5/a"), put("/t5/a")] });
  assert.ok(twice.kind === "invalid" && /duplicate key/.test(twice.message));
  const value = new Uint8Array(VALUE_BYTES_MAX);
  const of = (count: number): Txn => ({
    compare: [],
    then: Array.from({ length: count }, (_, i) => ({ put: `/t5/${i}`, value })),
  });
  // Above etcd's limit for a request (1.5 MiB), and above its limit for a message (2 MiB).
  for (const count of [26, 40]) assert.equal((await client.txn(of(count))).kind, "invalid");
  assert.equal(await client.get("/t5/0"), null);
});

test("a value above 64 KiB is refused before it is sent", async () => {
  const value = new Uint8Array(VALUE_BYTES_MAX + 1);
  const outcome = await client.txn({ compare: [], then: [{ put: "/t6/a", value }] });
  assert.ok(outcome.kind === "invalid" && /\/t6\/a has 65537 bytes/.test(outcome.message));
});

test("unknown: the answer was lost, the write was not; it was sent once", async () => {
  const proxy = await etcd.proxy();
  const behind = await etcd.connect({ addresses: [proxy.address] });
  proxy.dropped.arm();
  await proxy.set("drop-responses");
  const outcome = await behind.txn({ compare: [], then: [put("/t7/a")] }, { deadlineMs: 500 });
  assert.equal(outcome.kind, "unknown");
  await proxy.dropped.wait();
  assert.equal((await client.get("/t7/a"))?.version, 1n);
  await proxy.set("pass");
  assert.equal((await behind.get("/t7/a"))?.version, 1n);
});

test("calls that failed, one after another, do not keep the next one from being sent", async () => {
  const proxy = await etcd.proxy();
  const behind = await etcd.connect({ addresses: [proxy.address] });
  await proxy.set("drop-responses");
  for (let i = 0; i < 4; i++) {
    const outcome = await behind.txn({ compare: [], then: [put("/t14/a")] }, { deadlineMs: 200 });
    assert.equal(outcome.kind, "unknown");
  }
  await proxy.set("pass");
  const outcome = await behind.txn({ compare: [], then: [put("/t14/b")] });
  assert.equal(outcome.kind, "applied");
});

test("unknown: etcd is frozen, gives no answer, and applies the write when it wakes", async () => {
  const { pid } = etcd.server;
  const other = await etcd.connect();
  await other.get("/t8/a");
  await freeze(pid);
  try {
    const outcome = await other.txn({ compare: [], then: [put("/t8/a")] }, { deadlineMs: 300 });
    assert.equal(outcome.kind, "unknown");
  } finally {
    process.kill(pid, "SIGCONT");
  }
  // Applied or not: whatever it is, it was not tried twice.
  assert.ok(((await client.get("/t8/a"))?.version ?? 0n) <= 1n);
});

test("unknown after close, and reads say CANCELLED", async () => {
  const closed = await etcd.connect();
  await closed.close();
  assert.equal((await closed.txn({ compare: [], then: [put("/t9/a")] })).kind, "unknown");
  await assert.rejects(closed.get("/t9/a"), { code: "CANCELLED" });
  await closed.close();
});

test("a read waits out a short cut, and says after its deadline whom it could not reach", async () => {
  const proxy = await etcd.proxy();
  const behind = await etcd.connect({ addresses: [proxy.address] });
  await proxy.set("refuse");
  proxy.connected.arm();
  const reading = behind.get("/t10/a");
  await proxy.set("pass");
  assert.equal(await reading, null);
  await proxy.set("refuse");
  const closing = assert.rejects(behind.get("/t10/a"), { code: "CANCELLED" });
  await behind.close();
  await closing;
});

test("a connection that was begun in a black hole does not stand in the way of the next", async () => {
  const proxy = await etcd.proxy();
  const behind = await etcd.connect({ addresses: [proxy.address] });
  await proxy.set("black-hole");
  proxy.cut();
  proxy.connected.arm();
  const reading = behind.get("/t13/a");
  await proxy.connected.wait();
  proxy.heal();
  // It waits for an answer to its connection, gives up, and tries anew.
  assert.equal(await reading, null);
});

test("list() reads all pages at one revision, and page() goes both ways", async () => {
  const keys: string[] = [];
  for (let from = 0; from < 1_200; from += 100) {
    const batch = puts("/t11/", from + 100).slice(from);
    keys.push(...batch.map((op) => ("put" in op ? op.put : "")));
    assert.equal((await client.txn({ compare: [], then: batch })).kind, "applied");
  }
  const listed = await client.list("/t11/");
  const names = (kvs: readonly KeyValue[]) => kvs.map(({ key }) => key);
  assert.deepEqual(names(listed.kvs), keys);
  await client.txn({ compare: [], then: [{ deletePrefix: "/t11/0001" }] });
  assert.equal((await client.list("/t11/")).kvs.length, 1_190);
  const before = await client.list("/t11/", { revision: listed.revision, keysOnly: true });
  assert.deepEqual(names(before.kvs), keys);
  assert.ok(before.kvs.every(({ value }) => value.length === 0));
  assert.equal((await client.list("/t11/", { limit: 700 })).kvs.length, 700);

  for (const descending of [false, true]) {
    const paged: string[] = [];
    let more = true;
    while (more) {
      const last = paged.at(-1);
      const page = await client.page("/t11/", {
        limit: 300,
        descending,
        revision: listed.revision,
        ...(last !== undefined && { after: last }),
      });
      paged.push(...names(page.kvs));
      more = page.more;
    }
    assert.deepEqual(paged, descending ? keys.toReversed() : keys);
  }
});
