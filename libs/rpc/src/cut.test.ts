import assert from "node:assert/strict";
import { it } from "node:test";
import { api } from "@sheaf/proto";
import type { CallContext } from "./handlers.ts";
import { publicConnection } from "./public-client.ts";
import { servePublic } from "./public-server.ts";
import { failureOf, running } from "./server.suite.ts";

it("a stream whose caller does not read can be cut; the connection goes on", async () => {
  const gone = Promise.withResolvers<string>();
  const ended = Promise.withResolvers<void>();
  async function* flood(_: unknown, { cut, signal }: CallContext) {
    signal.addEventListener("abort", () => gone.resolve(signal.reason.code), { once: true });
    // Until then what the transport takes without a reader has filled up.
    const timer = setTimeout(() => {
      cut();
      cut();
    }, 200);
    try {
      for (;;) yield { job: { id: "x".repeat(1024 * 1024) } };
    } finally {
      clearTimeout(timer);
      ended.resolve();
    }
  }
  const pair = { serve: servePublic, connect: publicConnection };
  await using all = await running(pair, { watchJob: flood, inspectJob: async () => ({ job: { id: "j" } }) });
  const client = all.connection.client(api.JobService);
  const answers = client.watchJob({})[Symbol.asyncIterator]();
  await answers.next(); // and then no more
  assert.equal(await gone.promise, "CANCELLED");
  await ended.promise;
  const rest = async () => {
    for (let next = await answers.next(); next.done !== true; ) next = await answers.next();
  };
  assert.equal((await failureOf(rest())).code, "RESOURCE_EXHAUSTED");
  assert.equal((await client.inspectJob({})).job?.id, "j");
});
