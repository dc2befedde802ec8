/** R1, as callers in other languages see it: our own client sets a deadline by itself. */
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { api } from "@sheaf/proto";
import { testLogger } from "@sheaf/runtime";
import { implement } from "./mount.ts";
import { servePublic } from "./public-server.ts";
import type { RpcServer } from "./rpc-server.ts";

const left: (number | undefined)[] = [];
const services = [
  implement(api.JobService, {
    inspectJob: async (_, { timeLeftMs }) => {
      left.push(timeLeftMs());
      return {};
    },
    stopJob: () => new Promise<never>(() => {}),
  }),
];
const common = { host: "127.0.0.1", port: 0, services, log: testLogger() };
const servers: { readonly asShipped: RpcServer; readonly hasty: RpcServer } = {
  asShipped: servePublic(common),
  hasty: servePublic({ ...common, unaryTimeoutMs: 100 }),
};
const urlOf = (server: RpcServer) => `http://127.0.0.1:${server.address.port}`;

before(() => Promise.all(Object.values(servers).map((server) => server.start())));
after(() => Promise.all(Object.values(servers).map((server) => server.stop())));

const overGrpc = (server: RpcServer) => createClient(api.JobService, createGrpcTransport({ baseUrl: urlOf(server) }));
const overJson = (server: RpcServer, rpc: string) =>
  fetch(`${urlOf(server)}/sheaf.api.v1.JobService/${rpc}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });

it("91 a call without a deadline has one of 30 s", async () => {
  await overGrpc(servers.asShipped).inspectJob({});
  assert.equal((await overJson(servers.asShipped, "InspectJob")).status, 200);
  assert.equal(left.length, 2);
  for (const ms of left) assert.ok(ms !== undefined && ms > 20_000 && ms <= 30_000, String(ms));
});

it("91 and is answered when it is over, over gRPC", async () => {
  const error = await overGrpc(servers.hasty)
    .stopJob({})
    .then(undefined, (thrown: unknown) => ConnectError.from(thrown));
  assert.ok(error instanceof ConnectError);
  assert.equal(error.code, Code.DeadlineExceeded);
  assert.match(error.rawMessage, /StopJob was not done within 100 ms/);
});

it("91 and is answered when it is over, over JSON", async () => {
  const answer = await overJson(servers.hasty, "StopJob");
  assert.equal(answer.status, 504);
  assert.match(await answer.text(), /"deadline_exceeded".*StopJob was not done within 100 ms/);
});
