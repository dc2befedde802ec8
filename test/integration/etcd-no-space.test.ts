/** libs/etcd when etcd has reached its quota (E14): what is refused, what still works, and that it says so. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { connectEtcd, type TxnOutcome } from "@sheaf/etcd";
import { startEtcdServer, temporaryFolder } from "../kit/etcd-server.ts";

test("a full etcd: writes are unknown, a new lease is refused, deletes and renewals go on", async () => {
  const dataDir = join(await temporaryFolder(after), "etcd");
  const quotaBytes = 16 * 1024 * 1024;
  const etcd = await startEtcdServer(dataDir, { quotaBytes });
  const client = await connectEtcd({ addresses: [etcd.address] });
  const lease = await client.grantLease(2);
  const value = new Uint8Array(60_000);
  let outcome: TxnOutcome | undefined;
  for (let i = 0; outcome === undefined || outcome.kind === "applied"; i++) {
    outcome = await client.txn({ compare: [], then: [{ put: `/${i % 5}`, value, lease: lease.id }] });
  }
  // Refused for lack of space, but such a write has been seen to be applied: nobody may rely on it (fact 6).
  assert.ok(outcome.kind === "unknown" && /space exceeded/.test(outcome.cause), JSON.stringify(outcome.kind));
  await assert.rejects(client.grantLease(10), { code: "RESOURCE_EXHAUSTED", reason: "ETCD_NO_SPACE" });
  assert.ok((await client.status()).problems.some((problem) => /NOSPACE/.test(problem)));

  const deletion = await client.txn({
    compare: [{ key: "/none", target: "create", is: 0n }],
    then: [{ delete: "/0" }],
  });
  assert.equal(deletion.kind, "applied");
  assert.equal(await client.get("/0"), null);
  assert.ok(lease.valid());
  assert.equal((await client.leaseTimeToLive(lease.id))?.keys.length, 4);
  await lease.revoke();
  assert.equal(await client.get("/1"), null);
  await client.close();
  await etcd.stop();
});
