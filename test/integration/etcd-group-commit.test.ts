/** Group commit (rule L8) against a real etcd: its throughput, a lost answer, a lost lease, a lost owner. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  type Change,
  type Compare,
  type Etcd,
  GroupCommit,
  type GroupCommitOptions,
  type Revision,
  type Txn,
} from "@sheaf/etcd";
import { systemClock, testLogger } from "@sheaf/runtime";
import { bytes, startTestEtcd } from "../kit/etcd-server.ts";
import { freeze } from "../kit/freeze.ts";

const etcd = await startTestEtcd(after);
const client = await etcd.connect();

const absent = (key: string): Compare => ({ key, target: "create", is: 0n });
const put = (key: string, lease?: string) => ({ put: key, value: bytes("v"), ...(lease !== undefined && { lease }) });
const create = (key: string, lease?: string): Change => ({ name: key, compare: [absent(key)], ops: [put(key, lease)] });

/** An owner as L1 and L2 want it: writes under its epoch, and seals by putting its key again. */
class Owner {
  readonly key: string;
  readonly sealed: (readonly string[])[] = [];
  epoch: Revision = 0n;

  constructor(key: string) {
    this.key = key;
  }

  async take(): Promise<this> {
    const outcome = await client.txn({ compare: [absent(this.key)], then: [put(this.key)] });
    assert.ok(outcome.kind === "applied");
    this.epoch = outcome.revision;
    return this;
  }

  async seal(touched: readonly string[]): Promise<"sealed" | "lost"> {
    this.sealed.push(touched);
    const compare: Compare[] = [{ key: this.key, target: "mod", is: this.epoch }];
    const outcome = await client.txn({ compare, then: [put(this.key)] });
    if (outcome.kind !== "applied") return "lost";
    this.epoch = outcome.revision;
    return "sealed";
  }

  group(through: Pick<Etcd, "txn" | "leaseTimeToLive">, options: Partial<GroupCommitOptions> = {}): GroupCommit {
    return new GroupCommit({
      etcd: through,
      guard: () => [{ key: this.key, target: "mod", is: this.epoch }],
      onUnknown: (touched) => this.seal(touched),
      clock: systemClock,
      log: testLogger(),
      ...options,
    });
  }
}

test("5,000 changes are written in some fifty transactions, each once", async () => {
  const owner = await new Owner("/g1/owner").take();
  let sent = 0;
  const counting = {
    txn: (txn: Txn) => {
      sent++;
      return client.txn(txn);
    },
    leaseTimeToLive: (id: string) => client.leaseTimeToLive(id),
  };
  const group = owner.group(counting);
  const outcomes = await Promise.all(Array.from({ length: 5_000 }, (_, i) => group.submit(create(`/g1/k/${i}`))));
  assert.ok(outcomes.every(({ kind }) => kind === "applied"));
  // A change has one operation and one compare; the guard takes one compare of each transaction.
  assert.equal(sent, Math.ceil(5_000 / 99));
  const { kvs } = await client.list("/g1/k/");
  assert.equal(kvs.length, 5_000);
  assert.ok(kvs.every(({ version }) => version === 1n));
  await group.close();
});

test("an answer that is lost: sealed, read back, and the change is there once", async () => {
  const owner = await new Owner("/g2/owner").take();
  const proxy = await etcd.proxy();
  const behind = await etcd.connect({ addresses: [proxy.address] });
  const through = {
    txn: (txn: Txn) => behind.txn(txn, { deadlineMs: 300 }),
    leaseTimeToLive: (id: string) => behind.leaseTimeToLive(id),
  };
  const group = owner.group(through);
  assert.equal((await group.submit(create("/g2/a"))).kind, "applied");
  await proxy.set("drop-responses");
  const outcomes = await Promise.all(["/g2/b", "/g2/c"].map((key) => group.submit(create(key))));
  assert.deepEqual(outcomes, [{ kind: "unknown" }, { kind: "unknown" }]);
  assert.deepEqual(owner.sealed, [["/g2/b", "/g2/c"]]);
  for (const key of ["/g2/b", "/g2/c"]) assert.equal((await client.get(key))?.version, 1n);
  await proxy.set("pass");
  let outcome = await group.submit(create("/g2/b"));
  // The connection may still be on its way back.
  while (outcome.kind === "unknown") outcome = await group.submit(create("/g2/b"));
  assert.ok(outcome.kind === "refused");
  assert.equal(outcome.current[0]?.key, "/g2/b");
});

test("etcd frozen past the deadline: what it applies when it wakes is refused by the seal", async () => {
  const owner = await new Owner("/g3/owner").take();
  const frozen = await etcd.connect();
  await frozen.get("/g3/owner");
  const { pid } = etcd.server;
  const through = {
    txn: (txn: Txn) => frozen.txn(txn, { deadlineMs: 200 }),
    leaseTimeToLive: (id: string) => frozen.leaseTimeToLive(id),
  };
  const group = owner.group(through, {
    onUnknown: (touched) => {
      process.kill(pid, "SIGCONT");
      return owner.seal(touched);
    },
  });
  await freeze(pid);
  const outcome = await group.submit(create("/g3/a"));
  assert.equal(outcome.kind, "unknown");
  // After the seal the truth does not change any more, whichever it is.
  const first = await client.get("/g3/a");
  for (let i = 0; i < 20; i++) assert.deepEqual(await client.get("/g3/a"), first);
  assert.equal((await group.submit(create("/g3/b"))).kind, "applied");
});

test("a lease that was revoked behind our back drops its own changes only", async () => {
  const owner = await new Owner("/g4/owner").take();
  const group = owner.group(client);
  const [alive, dead] = [await client.grantLease(30), await client.grantLease(30)];
  await client.revokeLease(dead.id);
  const changes = [create("/g4/a", alive.id), create("/g4/b", dead.id), create("/g4/c")];
  const outcomes = await Promise.all(changes.map((change) => group.submit(change)));
  assert.deepEqual(
    outcomes.map(({ kind }) => kind),
    ["applied", "lease-not-found", "applied"],
  );
  await alive.revoke();
  dead.stop();
});

test("an owner whose key was taken writes nothing more", async () => {
  const owner = await new Owner("/g5/owner").take();
  const group = owner.group(client);
  assert.equal((await group.submit(create("/g5/a"))).kind, "applied");
  await client.txn({ compare: [], then: [put("/g5/owner")] });
  const outcomes = await Promise.all(["/g5/b", "/g5/c"].map((key) => group.submit(create(key))));
  assert.deepEqual(outcomes, [{ kind: "lost" }, { kind: "lost" }]);
  assert.equal(await client.get("/g5/b"), null);
});

test("values that make a transaction too large together are written in smaller ones", async () => {
  const owner = await new Owner("/g6/owner").take();
  const group = owner.group(client);
  const value = new Uint8Array(60_000);
  const changes = Array.from({ length: 40 }, (_, i) => ({
    name: `big ${i}`,
    compare: [],
    ops: [{ put: `/g6/${i}`, value }],
  }));
  const outcomes = await Promise.all(changes.map((change) => group.submit(change)));
  assert.ok(outcomes.every(({ kind }) => kind === "applied"));
});
