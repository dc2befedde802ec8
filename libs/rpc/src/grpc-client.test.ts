import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { dispatch } from "@sheaf/proto";
import { grpcClient } from "./grpc-client.ts";

/** Longer than the longest wait before a connection is tried again. */
const LONG_MS = 2_500;

test("a connection that is closed before it stood is not tried again", async () => {
  let tries = 0;
  const server = createServer((socket) => {
    tries++;
    socket.destroy();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  try {
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { connected, close } = grpcClient(address, dispatch.DispatchService);
    void connected();
    await once(server, "connection");
    await once(server, "connection");
    close();
    const before = tries;
    // That nothing comes has no signal.
    await new Promise((resolve) => setTimeout(resolve, LONG_MS));
    assert.ok(tries <= before + 1, "one may have been under way");
  } finally {
    server.close();
  }
});
