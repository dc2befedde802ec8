/** What the client of the public API does by itself: retries, and living through connections that end. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, it } from "node:test";
import { api } from "@sheaf/proto";
import { systemClock, testLogger, unavailable } from "@sheaf/runtime";
import type { Handlers } from "./handlers.ts";
import { implement } from "./mount.ts";
import { publicClient } from "./public-client.ts";
import { servePublic } from "./public-server.ts";

function server(handlers: Handlers<typeof api.JobService>, port = 0) {
  const services = [implement(api.JobService, handlers)];
  return servePublic({ host: "127.0.0.1", port, services, log: testLogger() });
}

/** Answers UNAVAILABLE this many times before it answers. */
function flaky(failures: number) {
  let calls = 0;
  const fn = async () => {
    if (++calls <= failures) throw unavailable("NOT_YET", "not yet");
    return {};
  };
  return { fn, calls: () => calls };
}

describe("publicClient", () => {
  it("makes a call that changes nothing again until it succeeds", async () => {
    const { fn, calls } = flaky(3);
    const one = server({ inspectJob: fn });
    await one.start();
    const { rpc, close } = publicClient(`127.0.0.1:${one.address.port}`, api.JobService);
    await rpc.inspectJob({});
    assert.equal(calls(), 4);
    close();
    await one.stop();
  });

  it("makes no other call again", async () => {
    const { fn, calls } = flaky(1);
    const one = server({ stopJob: fn });
    await one.start();
    const { rpc, close } = publicClient(`127.0.0.1:${one.address.port}`, api.JobService);
    await assert.rejects(rpc.stopJob({}), { reason: "NOT_YET" });
    assert.equal(calls(), 1);
    close();
    await one.stop();
  });

  it("stops trying at the deadline of the call", async () => {
    const { fn } = flaky(1_000_000);
    const one = server({ inspectJob: fn });
    await one.start();
    const { rpc, close } = publicClient(`127.0.0.1:${one.address.port}`, api.JobService);
    const begun = systemClock.now();
    // The last try may be under way when the deadline comes: then that is what it fails with.
    await assert.rejects(rpc.inspectJob({}, { timeoutMs: 300 }), { reason: /^(NOT_YET|DEADLINE_EXCEEDED)$/ });
    assert.ok(systemClock.now() - begun < 1_500);
    close();
    await one.stop();
  });

  it("finds a server that comes back on its port", async () => {
    const first = server({ inspectJob: async () => ({ job: { id: "1" } }) });
    await first.start();
    const { port } = first.address;
    const { rpc, close } = publicClient(`127.0.0.1:${port}`, api.JobService);
    assert.equal((await rpc.inspectJob({})).job?.id, "1");
    await first.stop();
    const call = rpc.inspectJob({});
    const second = server({ inspectJob: async () => ({ job: { id: "2" } }) }, port);
    await second.start();
    assert.equal((await call).job?.id, "2");
    close();
    await second.stop();
  });

  it("lives through servers that go away while it is idle, 50 times (connect-es #1768)", async () => {
    const first = server({ inspectJob: async () => ({}) });
    await first.start();
    const { port } = first.address;
    const { rpc, close } = publicClient(`127.0.0.1:${port}`, api.JobService);
    await rpc.inspectJob({});
    await first.stop();
    for (let i = 0; i < 50; i++) {
      const next = server({ inspectJob: async () => ({}) }, port);
      await next.start();
      await rpc.inspectJob({});
      await next.stop();
    }
    close();
  });

  it("gives up in time when the peer accepts and says nothing", async () => {
    const mute = createServer(() => {});
    await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
    const address = mute.address();
    assert.ok(address !== null && typeof address === "object");
    const { rpc, close } = publicClient(`127.0.0.1:${address.port}`, api.JobService);
    const failure = await rpc.inspectJob({}, { timeoutMs: 300 }).then(undefined, (error: unknown) => error);
    assert.match(String(failure), new RegExp(`no answer from 127.0.0.1:${address.port} in the time`));
    close();
    mute.close();
  });
});
