import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { unavailable } from "@sheaf/runtime";
import { connect, fakeCluster } from "./index.ts";

describe("connect", () => {
  it("takes the address, then SHEAF_ADDRESS, and says what to do when there is none", () => {
    assert.equal(connect("localhost:1", { env: { SHEAF_ADDRESS: "other:2" } }).address, "localhost:1");
    assert.equal(connect(undefined, { env: { SHEAF_ADDRESS: "other:2" } }).address, "other:2");
    assert.throws(() => connect(undefined, { env: {} }), { reason: "NO_ADDRESS", message: /SHEAF_ADDRESS.*sheaf dev/ });
    assert.throws(() => connect("http://x", { env: {} }), { reason: "ADDRESS_INVALID", message: /host:port/ });
  });

  it("lists row by row over all pages", async () => {
    await using cluster = await fakeCluster();
    const client = connect(cluster.address);
    for (const name of ["b", "a1", "a2"]) await client.rpc.repo.createRepo({ name });
    const names = async (prefix?: string) => {
      const found: string[] = [];
      for await (const { name } of client.repos(prefix)) found.push(name);
      return found;
    };
    assert.deepEqual(await names(), ["a1", "a2", "b"]);
    assert.deepEqual(await names("a"), ["a1", "a2"]);
    assert.deepEqual(await names("none"), []);
    client.close();
  });

  it("creates a pipeline once, also when an answer is lost", async () => {
    const requests: string[] = [];
    await using cluster = await fakeCluster({
      pipeline: {
        createPipeline: async ({ requestId }) => {
          if (requests.push(requestId) === 1) throw unavailable("LOST", "the answer is lost");
          return { pipeline: { name: "p" } };
        },
      },
    });
    const client = connect(cluster.address);
    assert.equal((await client.submit({ pipeline: { name: "p" } })).name, "p");
    assert.equal(requests.length, 2);
    assert.equal(requests[0], requests[1]);
    client.close();
  });
});
