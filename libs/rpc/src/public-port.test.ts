/** One port, every protocol: what callers in other languages, browsers and curl see. */
import assert from "node:assert/strict";
import { connect as connectSocket } from "node:net";
import { after, before, describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { api, googleRpc, health } from "@sheaf/proto";
import { invalidArgument, notFound, testLogger } from "@sheaf/runtime";
import { grpcClient } from "./grpc-client.ts";
import { implement } from "./mount.ts";
import { servePublic } from "./public-server.ts";
import type { RpcServer } from "./rpc-server.ts";

const bad = invalidArgument("NAME_BAD", "the name is bad", {
  details: [{ field: "name", description: "no / in it" }],
});

describe("the public port", () => {
  let server: RpcServer;
  let base: string;

  before(async () => {
    const jobs = implement(api.JobService, {
      inspectJob: async ({ job }) => {
        if (job === "") throw bad;
        return { job: { id: job, dataTotal: 2n ** 60n } };
      },
      async *watchJob({ job }) {
        yield { job: { id: `${job}1` } };
        yield { job: { id: `${job}2` } };
        throw notFound("JOB_UNKNOWN", "gone");
      },
    });
    server = servePublic({ host: "127.0.0.1", port: 0, services: [jobs], log: testLogger() });
    await server.start();
    base = `http://127.0.0.1:${server.address.port}`;
  });
  after(() => server.stop());

  const post = (rpc: string, body: string, headers: Record<string, string> = {}) =>
    fetch(`${base}/sheaf.api.v1.JobService/${rpc}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
    });

  it("answers JSON over HTTP/1.1, as curl sends it", async () => {
    const response = await post("InspectJob", '{"job":"j1"}');
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), {
      job: { id: "j1", dataTotal: "1152921504606846976" },
    });
  });

  it("answers a GET of a call that changes nothing", async () => {
    const query = `encoding=json&connect=v1&message=${encodeURIComponent('{"job":"j2"}')}`;
    const response = await fetch(`${base}/sheaf.api.v1.JobService/InspectJob?${query}`);
    assert.equal(response.status, 200);
  });

  it("gives an error with its details as JSON", async () => {
    const response = await post("InspectJob", "{}");
    assert.equal(response.status, 400);
    const body = (await response.json()) as {
      code: string;
      message: string;
      details: { type: string; debug: unknown }[];
    };
    assert.deepEqual([body.code, body.message], ["invalid_argument", "the name is bad"]);
    assert.deepEqual(
      body.details.map(({ type }) => type),
      ["google.rpc.ErrorInfo", "google.rpc.BadRequest"],
    );
    assert.deepEqual(body.details[0]?.debug, { reason: "NAME_BAD", domain: "sheaf" });
  });

  it("refuses a field that does not exist, and JSON that is none", async () => {
    const unknown = await post("InspectJob", '{"jobb":"j1"}');
    assert.equal(unknown.status, 400);
    assert.match(await unknown.text(), /jobb/);
    assert.equal((await post("InspectJob", "{")).status, 400);
  });

  it("answers 404 for what is no RPC, and gives no stack away", async () => {
    const response = await post("Nothing", "{}");
    assert.equal(response.status, 404);
    const { code, message, details } = (await response.json()) as { code: string; message: string; details: unknown[] };
    assert.deepEqual([code, message], ["unimplemented", 'there is no RPC "/sheaf.api.v1.JobService/Nothing"']);
    assert.equal(details.length, 1);
    const page = await fetch(`${base}/`);
    assert.deepEqual([page.status, await page.text()], [404, "no such RPC\n"]);
  });

  it("says what is wrong with a content type and a method: curl shows nothing but the body", async () => {
    const said = async (path: string, init: RequestInit) => {
      const response = await fetch(`${base}/sheaf.api.v1.JobService/${path}`, init);
      return [response.status, await response.text()];
    };
    const refused = await said("InspectJob", { method: "POST", body: "{}" });
    assert.deepEqual(refused, [
      415,
      "content-type is text/plain;charset=UTF-8: use application/json, or what gRPC and gRPC-Web use\n",
    ]);
    const streamed = await said("WatchJob", {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
    });
    assert.deepEqual(streamed, [
      415,
      "content-type is application/json: use application/connect+json (it streams), or what gRPC and gRPC-Web use\n",
    ]);
    const put = await said("InspectJob", { method: "PUT", body: "{}" });
    assert.equal(put[0], 405);
    assert.match(String(put[1]), /^PUT is no way to call this RPC: use .*POST/);
  });

  it("98 refuses a foreign host name: a web page may have pointed it here", async () => {
    const status = await new Promise((resolve) => {
      const socket = connectSocket(server.address.port, "127.0.0.1");
      socket.on("data", (chunk) => {
        resolve(chunk.toString().slice(0, 12));
        socket.destroy();
      });
      socket.write("GET /x HTTP/1.1\r\nHost: evil.example:80\r\n\r\n");
    });
    assert.equal(status, "HTTP/1.1 421");
  });

  it("understands a first packet of one byte", async () => {
    const status = await new Promise((resolve) => {
      const socket = connectSocket(server.address.port, "127.0.0.1");
      socket.setNoDelay(true);
      socket.on("data", (chunk) => {
        resolve(chunk.toString().slice(0, 12));
        socket.destroy();
      });
      socket.write("P", () => setImmediate(() => socket.write("UT /x HTTP/1.1\r\nHost: localhost\r\n\r\n")));
    });
    assert.equal(status, "HTTP/1.1 404");
  });

  it("tells its health over grpc-js", async () => {
    const { rpc, close } = grpcClient(`127.0.0.1:${server.address.port}`, health.Health);
    const { SERVING, NOT_SERVING } = health.HealthCheckResponse_ServingStatus;
    assert.equal((await rpc.check({ service: "" })).status, SERVING);
    assert.equal((await rpc.check({ service: "sheaf.api.v1.JobService" })).status, SERVING);
    await assert.rejects(rpc.check({ service: "x.Y" }), { code: "NOT_FOUND" });
    const seen: number[] = [];
    for await (const { status } of rpc.watch({ service: "sheaf.api.v1.JobService" })) {
      seen.push(status);
      if (seen.length === 3) break;
      server.health.set("sheaf.api.v1.JobService", status !== SERVING);
    }
    assert.deepEqual(seen, [SERVING, NOT_SERVING, SERVING]);
    close();
  });

  for (const [name, transport] of [
    ["gRPC over HTTP/2", () => createGrpcTransport({ baseUrl: base })],
    ["gRPC-Web over HTTP/1.1", () => createGrpcWebTransport({ baseUrl: base, httpVersion: "1.1" })],
    ["gRPC-Web over HTTP/2", () => createGrpcWebTransport({ baseUrl: base, httpVersion: "2" })],
    ["Connect over HTTP/1.1", () => createConnectTransport({ baseUrl: base, httpVersion: "1.1" })],
    [
      "Connect over HTTP/2, binary",
      () => createConnectTransport({ baseUrl: base, httpVersion: "2", useBinaryFormat: true }),
    ],
  ] as const) {
    it(`${name}: calls, streams, and error details`, async () => {
      const client = createClient(api.JobService, transport());
      assert.equal((await client.inspectJob({ job: "j" })).job?.id, "j");
      const error = await client.inspectJob({}).then(undefined, (thrown: unknown) => ConnectError.from(thrown));
      assert.ok(error instanceof ConnectError);
      assert.deepEqual([error.code, error.rawMessage], [Code.InvalidArgument, "the name is bad"]);
      assert.equal(error.findDetails(googleRpc.ErrorInfoSchema)[0]?.reason, "NAME_BAD");
      assert.equal(error.findDetails(googleRpc.BadRequestSchema)[0]?.fieldViolations[0]?.field, "name");
      const ids: string[] = [];
      const watch = async () => {
        for await (const { job } of client.watchJob({ job: "w" })) ids.push(job?.id ?? "");
      };
      await assert.rejects(watch(), (thrown) => ConnectError.from(thrown).code === Code.NotFound);
      assert.deepEqual(ids, ["w1", "w2"]);
    });
  }
});
