/** libs/etcd against three members: one lost, the quorum lost, a member cut off from the others. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { connectEtcd, type Etcd, type Revision } from "@sheaf/etcd";
import { Signal, systemClock } from "@sheaf/runtime";
import { type ClusterMember, startEtcdCluster } from "../kit/etcd-cluster.ts";
import { bytes } from "../kit/etcd-server.ts";
import { freeze } from "../kit/freeze.ts";
import { says, signalLog } from "../kit/log-signal.ts";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function cluster(): Promise<readonly [ClusterMember, ClusterMember, ClusterMember]> {
  const [a, b, c] = await startEtcdCluster((end) => ends.push(end));
  assert.ok(a && b && c);
  return [a, b, c];
}

async function connect(members: readonly ClusterMember[], log = signalLog().log): Promise<Etcd> {
  const client = await connectEtcd({ addresses: members.map(({ address }) => address), log });
  ends.push(() => client.close());
  return client;
}

const seen = () => new Signal<Revision>().arm();
const follow = (client: Etcd, prefix: string, signal: Signal<Revision>) =>
  client.watch(prefix, {
    snapshot: (_, revision) => signal.emit(revision),
    events: (_, revision) => signal.emit(revision),
  });

test("the member in use is killed: reads, writes, the lease and the watch go on with another", async () => {
  const members = await cluster();
  const client = await connect(members);
  const revisions = seen();
  const watch = follow(client, "/c1/", revisions);
  await watch.ready;
  const lease = await client.grantLease(10);
  members[0].signal("SIGKILL");
  assert.equal(await client.get("/c1/a"), null);
  // At most one write pays for the loss, and it says that it does not know.
  const write = () => client.txn({ compare: [], then: [{ put: "/c1/a", value: bytes("1") }] });
  const outcomes = [await write(), await write(), await write()];
  const applied = outcomes.filter(({ kind }) => kind === "applied");
  assert.ok(
    applied.length >= 2,
    JSON.stringify(outcomes, (_, v) => (typeof v === "bigint" ? String(v) : v)),
  );
  const last = applied.at(-1);
  assert.ok(last && "revision" in last);
  await revisions.wait((revision) => revision >= last.revision);
  assert.ok(lease.valid());
  assert.notEqual(await client.leaseTimeToLive(lease.id), null);
  await watch.close();
});

test("without a quorum a watch is ended by its member (hasleader), and comes back with the quorum", async () => {
  const [a, b, c] = await cluster();
  const { log, lines } = signalLog();
  const client = await connect([a], log);
  const revisions = seen();
  const watch = follow(client, "/c2/", revisions);
  await watch.ready;
  await lines.wait(says("watch: following"));
  await Promise.all([freeze(b.pid), freeze(c.pid)]);
  const cut = await lines.wait(says("watch: cut"));
  assert.match(String(cut.cause), /no leader/);
  const outcome = await client.txn({ compare: [], then: [{ put: "/c2/a", value: bytes("1") }] }, { deadlineMs: 1_000 });
  assert.equal(outcome.kind, "unknown");
  b.signal("SIGCONT");
  c.signal("SIGCONT");
  const after = await connect([b]);
  const write = await after.txn({ compare: [], then: [{ put: "/c2/b", value: bytes("1") }] });
  assert.ok(write.kind === "applied");
  await revisions.wait((revision) => revision >= write.revision);
  await watch.close();
});

test("connecting to a cluster without a quorum says that it cannot be reached", async () => {
  const [a, b, c] = await cluster();
  await Promise.all([freeze(b.pid), freeze(c.pid)]);
  const begun = systemClock.now();
  await assert.rejects(connectEtcd({ addresses: [a.address], connectTimeoutMs: 1_500 }), {
    code: "UNAVAILABLE",
  });
  assert.ok(systemClock.now() - begun < 3_000, "it tried for longer than it was told");
});
