/** Leases of libs/etcd against a real etcd: renewed through a bad network, and lost in time. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Etcd } from "@sheaf/etcd";
import { systemClock } from "@sheaf/runtime";
import { bytes, startTestEtcd } from "../kit/etcd-server.ts";
import { freeze } from "../kit/freeze.ts";
import { jumpingClock } from "../kit/test-clocks.ts";

const etcd = await startTestEtcd(after);
const client = await etcd.connect();

async function putUnder(lease: string, key: string): Promise<void> {
  const then = [{ put: key, value: bytes("v"), lease }];
  assert.equal((await client.txn({ compare: [], then })).kind, "applied");
}

/** Resolves when the key is gone. */
async function deletionOf(who: Etcd, key: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const watch = who.watch(key, {
    snapshot: (kvs) => kvs.length === 0 && resolve(),
    events: (events) => events.some(({ type }) => type === "delete") && resolve(),
  });
  await promise;
  await watch.close();
}

test("a lease outlives its TTL while it is renewed, and revoke() deletes its keys", async () => {
  const lease = await client.grantLease(2);
  await putUnder(lease.id, "/l1/a");
  await systemClock.sleep(3_000);
  assert.ok(lease.valid());
  assert.deepEqual((await client.leaseTimeToLive(lease.id))?.keys, ["/l1/a"]);
  await lease.revoke();
  assert.equal(await client.get("/l1/a"), null);
  assert.equal(await client.leaseTimeToLive(lease.id), null);
  await lease.revoke();
});

test("a lease survives a connection that is cut again and again", async () => {
  const proxy = await etcd.proxy();
  const behind = await etcd.connect({ addresses: [proxy.address] });
  const lease = await behind.grantLease(4);
  await putUnder(lease.id, "/l2/a");
  const remaining = async () => (await client.leaseTimeToLive(lease.id))?.ttlSeconds ?? -1;
  for (let i = 0; i < 4; i++) {
    while ((await remaining()) > 2) await systemClock.sleep(20);
    // A renewal is due: it finds its connection gone.
    proxy.cut();
    while ((await remaining()) < 3) await systemClock.sleep(20);
    assert.ok(lease.valid());
  }
  assert.notEqual(await client.get("/l2/a"), null);
  await lease.revoke();
});

test("a connection that died without a word is replaced before the lease is lost", async () => {
  const proxy = await etcd.proxy();
  const behind = await etcd.connect({ addresses: [proxy.address] });
  const lease = await behind.grantLease(6);
  // The stream of renewals is open.
  const opened = async () => ((await client.leaseTimeToLive(lease.id))?.ttlSeconds ?? -1) >= 5;
  while (await opened()) await systemClock.sleep(20);
  while (!(await opened())) await systemClock.sleep(20);
  proxy.heal();
  while (await opened()) await systemClock.sleep(20);
  while (!(await opened())) await systemClock.sleep(20);
  assert.ok(lease.valid());
  await lease.revoke();
});

test("in a black hole the loss is known before the server ends the lease", async () => {
  const proxy = await etcd.proxy();
  const behind = await etcd.connect({ addresses: [proxy.address] });
  const lease = await behind.grantLease(5);
  await putUnder(lease.id, "/l3/a");
  await proxy.set("black-hole");
  await lease.lost;
  assert.equal(lease.valid(), false);
  assert.notEqual(await client.get("/l3/a"), null, "the server was first");
  await deletionOf(client, "/l3/a");
  await proxy.set("pass");
  assert.equal(lease.valid(), false, "lost is lost");
});

test("a lease that is revoked behind our back is lost by the next renewal", async () => {
  const lease = await client.grantLease(3);
  assert.equal(await client.revokeLease(lease.id), true);
  assert.equal(await client.revokeLease(lease.id), false);
  await lease.lost;
  assert.equal(lease.valid(), false);
});

test("with etcd frozen the lease is lost by our own clock", async () => {
  const lease = await client.grantLease(3);
  await freeze(etcd.server.pid);
  try {
    await lease.lost;
    assert.equal(lease.valid(), false);
  } finally {
    process.kill(etcd.server.pid, "SIGCONT");
  }
  assert.equal(await client.get("/l5/none"), null);
});

test("stop() renews no more and does not revoke: the server ends the lease", async () => {
  const lease = await client.grantLease(2);
  await putUnder(lease.id, "/l6/a");
  lease.stop();
  lease.stop();
  assert.notEqual(await client.get("/l6/a"), null);
  await deletionOf(client, "/l6/a");
  assert.equal(lease.valid(), false);
});

test("after a suspend (the wall clock has gained) a lease is not trusted until it is renewed", async () => {
  const clock = jumpingClock();
  const own = await etcd.connect({ clock });
  const lease = await own.grantLease(3);
  assert.ok(lease.valid());
  clock.jumpWall(60_000);
  assert.equal(lease.valid(), false);
  while (!lease.valid()) await systemClock.sleep(50);
  // And back: that shows nothing.
  clock.jumpWall(-60_000);
  assert.ok(lease.valid());
  await lease.revoke();
});

test("close() stops renewing and leaves the lease to the server", async () => {
  const own = await etcd.connect();
  const lease = await own.grantLease(2);
  await putUnder(lease.id, "/l8/a");
  await own.close();
  await deletionOf(client, "/l8/a");
});
