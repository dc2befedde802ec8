import assert from "node:assert/strict";
import { it } from "node:test";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { api } from "@sheaf/proto";
import { SheafError, systemClock } from "@sheaf/runtime";
import { OpenCalls } from "./connection.ts";
import { callUpload } from "./public-call.ts";

it("a refusal that comes while an upload is being sent is the server's, and no fault of the source", async () => {
  // Connect throws what came from the server into the iterable of requests, when it is just being read.
  const transport = {
    stream: async (...args: unknown[]) => {
      const requests = (args[4] as AsyncIterable<unknown>)[Symbol.asyncIterator]();
      await requests.next();
      const refused = new ConnectError("the repo is not there", Code.NotFound);
      await requests.throw?.(refused).catch(() => {});
      throw refused;
    },
  } as unknown as Transport;
  const caller = {
    ...{ transport, address: "a:1", clock: systemClock, timeoutMs: 1_000, retryMs: 0, open: new OpenCalls() },
    ...{ headers: {}, carrier: "http2" as const, secure: false, answered: false },
  };
  let left = false;
  async function* steps() {
    try {
      for (;;) yield {};
    } finally {
      left = true;
    }
  }
  const thrown = await callUpload(api.FileService.method.modifyFiles, steps(), {}, caller).catch((error) => error);
  assert.ok(thrown instanceof SheafError, String(thrown));
  assert.equal(thrown.code, "NOT_FOUND");
  assert.ok(left, "the source was told that nobody wants more");
});
