/** Requests that cannot be read, in every protocol: a code, a reason, the field where one is at fault, and the server lives. */
import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectSocket } from "node:net";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { api, googleRpc } from "@sheaf/proto";
import { testLogger } from "@sheaf/runtime";
import { implement } from "./mount.ts";
import { servePublic } from "./public-server.ts";
import type { RpcServer } from "./rpc-server.ts";

interface Fault {
  readonly code: string;
  readonly message: string;
  readonly details: {
    readonly type: string;
    readonly debug?: { reason?: string; fieldViolations?: { field: string }[] };
  }[];
}

let server: RpcServer;
let base: string;

before(async () => {
  const jobs = implement(api.JobService, { inspectJob: async ({ job }) => ({ job: { id: job } }) });
  const pipelines = implement(api.PipelineService, { createPipeline: async () => ({}) });
  server = servePublic({ host: "127.0.0.1", port: 0, services: [jobs, pipelines], log: testLogger() });
  await server.start();
  base = `http://127.0.0.1:${server.address.port}`;
});
after(() => server.stop());

function post(
  rpc: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Response> {
  const type = { "content-type": "application/json" };
  return fetch(`${base}/sheaf.api.v1.${rpc}`, { method: "POST", headers: { ...type, ...headers }, body });
}

/** What comes back for these bytes, until the server or, when it waits for more, the caller goes. */
function rawHttp1(bytes: string, waits = false): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectSocket(server.address.port, "127.0.0.1", () =>
      waits ? socket.end(bytes) : socket.write(bytes),
    );
    let said = "";
    socket.on("data", (chunk) => {
      said += chunk;
      if (said.includes("\r\n\r\n")) socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(said));
  });
}

const head = (path: string, ...headers: string[]) =>
  [`POST ${path} HTTP/1.1`, "Host: localhost", "Content-Type: application/json", ...headers, "", ""].join("\r\n");

async function faultOf(
  response: Response,
): Promise<[code: string, reason: string | undefined, field: string | undefined]> {
  const { code, details } = (await response.json()) as Fault;
  const of = (type: string) => details.find((detail) => detail.type === type)?.debug;
  const field = of("google.rpc.BadRequest")?.fieldViolations?.[0]?.field;
  return [code, of("google.rpc.ErrorInfo")?.reason, field];
}

/** After whatever came before, an ordinary call is answered. */
async function assertLives(): Promise<void> {
  assert.equal((await post("JobService/InspectJob", '{"job":"j"}')).status, 200);
}

describe("JSON that is not what the message wants", () => {
  for (const [what, body, field] of [
    ["an unknown field", '{"jobb":"j"}', "jobb"],
    ["a wrong type", '{"spec":{"datum_tries":"three"}}', "spec.datum_tries"],
    ["a negative number", '{"spec":{"datumTries":-1}}', "spec.datum_tries"],
    ["an unknown field far down", '{"spec":{"input":{"pfs":{"repo":"r","globb":"/"}}}}', "spec.input.pfs.globb"],
    ["one of a list", '{"spec":{"transform":{"cmd":["sh",7]}}}', "spec.transform.cmd[1]"],
    [
      "a field of one of a list",
      '{"spec":{"merge":{"rules":[{"glob":"/"},{"strategi":1}]}}}',
      "spec.merge.rules[1].strategi",
    ],
    ["one of a map", '{"spec":{"transform":{"env":{"A":"1","B":2}}}}', 'spec.transform.env["B"]'],
    ["an enum that is not one", '{"spec":{"merge":{"strategy":"MERGE_STRATEGY_NONE"}}}', "spec.merge.strategy"],
    ["a prototype's name", '{"spec":{"__proto__":{"polluted":true}}}', "spec.__proto__"],
    ["a constructor", '{"constructor":{"prototype":{}}}', "constructor"],
    ["a duration that is none", '{"spec":{"datum_timeout":"soon"}}', "spec.datum_timeout"],
  ] as const) {
    it(what, async () => {
      const rpc = body.includes("jobb") ? "JobService/InspectJob" : "PipelineService/CreatePipeline";
      assert.deepEqual(await faultOf(await post(rpc, body)), ["invalid_argument", "REQUEST_UNREADABLE", field]);
      assert.equal(({} as { polluted?: boolean }).polluted, undefined);
    });
  }

  it("no JSON at all, a list, a number, nothing", async () => {
    for (const body of ["{", "[]", "1", '"x"', ""]) {
      const [code, reason] = await faultOf(await post("JobService/InspectJob", body));
      assert.deepEqual([code, reason], ["invalid_argument", "REQUEST_UNREADABLE"], body);
    }
  });

  it("31 bytes that are no UTF-8, plain and compressed, and half a pair of surrogates", async () => {
    const body = Buffer.concat([Buffer.from('{"job":"'), Buffer.from([0x61, 0xff]), Buffer.from('"}')]);
    const gzip = { "content-encoding": "gzip" };
    for (const response of [
      await post("JobService/InspectJob", body),
      await post("JobService/InspectJob", gzipSync(body), gzip),
      await post("JobService/InspectJob", '{"job":"\\ud800"}'),
    ])
      assert.deepEqual((await faultOf(response)).slice(0, 2), ["invalid_argument", "REQUEST_UNREADABLE"]);
    assert.match(await (await post("JobService/InspectJob", body)).text(), /the body is not UTF-8: send JSON in that/);
  });

  it("1,000 levels", async () => {
    const deep = `${'{"cross":['.repeat(1_000)}${"]}".repeat(1_000)}`;
    const [code, reason] = await faultOf(await post("PipelineService/CreatePipeline", `{"spec":{"input":${deep}}}`));
    assert.deepEqual([code, reason], ["invalid_argument", "REQUEST_UNREADABLE"]);
  });

  it("a key of a megabyte is not sent back", async () => {
    const response = await post("JobService/InspectJob", `{"${"k".repeat(1_000_000)}":1}`);
    assert.ok((await response.text()).length < 10_000);
  });
});

describe("messages", () => {
  it("85 without the slash before its path, or to no RPC", async () => {
    assert.match(
      await rawHttp1(`${head("sheaf.api.v1.JobService/InspectJob", "Content-Length: 2")}{}`),
      /^HTTP\/1.1 400 /,
    );
    for (const rpc of ["JobService/Nothing", "JobService/InspectJob/", "NoService/InspectJob"])
      assert.deepEqual((await faultOf(await post(rpc, "{}"))).slice(0, 2), ["unimplemented", "RPC_UNKNOWN"], rpc);
    await assertLives();
  });

  it("86 of a length of 4 GiB are refused at their length", async () => {
    const said = await rawHttp1(`${head("/sheaf.api.v1.JobService/InspectJob", "Content-Length: 4294967295")}{`);
    assert.match(said, /^HTTP\/1.1 429 .*MESSAGE_TOO_LARGE/s);
    await assertLives();
  });

  it("87 that break off are no request", async () => {
    const path = "/sheaf.api.v1.JobService/InspectJob";
    assert.doesNotMatch(await rawHttp1(`${head(path, "Content-Length: 11")}{"job":"j"`, true), /^HTTP\/1.1 2/);
    await assertLives();
  });

  it("90 with headers of 200 KB are 431", async () => {
    const long = `X-Big: ${"x".repeat(200_000)}`;
    assert.match(await rawHttp1(head("/sheaf.api.v1.JobService/InspectJob", long)), /^HTTP\/1.1 431 /);
    await assertLives();
  });

  it("86 above 4 MiB are refused before they are taken in", async () => {
    const big = JSON.stringify({ job: "x".repeat(5_000_000) });
    assert.deepEqual((await faultOf(await post("JobService/InspectJob", big))).slice(0, 2), [
      "resource_exhausted",
      "MESSAGE_TOO_LARGE",
    ]);
    await assertLives();
  });

  it("39, 88 may be compressed; a bomb and damage are refused", async () => {
    const gzip = { "content-encoding": "gzip" };
    assert.equal((await post("JobService/InspectJob", gzipSync('{"job":"j"}'), gzip)).status, 200);
    const bomb = gzipSync(JSON.stringify({ job: "x".repeat(50_000_000) }));
    assert.equal((await faultOf(await post("JobService/InspectJob", bomb, gzip)))[1], "MESSAGE_TOO_LARGE");
    const corrupt = await faultOf(await post("JobService/InspectJob", Buffer.from("no gzip at all"), gzip));
    assert.deepEqual(corrupt.slice(0, 2), ["invalid_argument", "REQUEST_UNREADABLE"]);
    const unknown = await faultOf(await post("JobService/InspectJob", "{}", { "content-encoding": "zstd" }));
    assert.deepEqual(unknown.slice(0, 2), ["unimplemented", "REQUEST_UNSUPPORTED"]);
    await assertLives();
  });

  it("of a type that nobody speaks are 415, other methods 405", async () => {
    assert.equal((await post("JobService/InspectJob", "job=j", { "content-type": "text/plain" })).status, 415);
    assert.equal((await fetch(`${base}/sheaf.api.v1.PipelineService/CreatePipeline`)).status, 405);
    await assertLives();
  });
});

describe("the reason is the same in every protocol", () => {
  const big = { job: "x".repeat(5_000_000) };
  for (const [name, transport] of [
    ["gRPC", () => createGrpcTransport({ baseUrl: base })],
    ["gRPC-Web", () => createGrpcWebTransport({ baseUrl: base, httpVersion: "1.1" })],
    ["Connect", () => createConnectTransport({ baseUrl: base, httpVersion: "1.1", useBinaryFormat: true })],
  ] as const) {
    it(name, async () => {
      const client = createClient(api.JobService, transport());
      const error = await client.inspectJob(big).then(undefined, (thrown: unknown) => ConnectError.from(thrown));
      assert.ok(error instanceof ConnectError);
      assert.equal(error.code, Code.ResourceExhausted);
      assert.equal(error.findDetails(googleRpc.ErrorInfoSchema)[0]?.reason, "MESSAGE_TOO_LARGE");
    });
  }
});

describe("gRPC on the wire", () => {
  const message = toBinary(api.InspectJobRequestSchema, create(api.InspectJobRequestSchema, { job: "j" }));

  async function call(path: string, frames: Uint8Array, headers: Record<string, string> = {}) {
    const session = connectHttp2(base);
    session.on("error", () => {});
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    const seen: Record<string, unknown> = {};
    stream.on("response", (headers) => Object.assign(seen, headers));
    stream.on("trailers", (trailers) => Object.assign(seen, trailers));
    stream.on("error", () => {});
    stream.end(frames);
    stream.resume();
    await new Promise((resolve) => stream.on("close", resolve));
    session.close();
    return Number(seen["grpc-status"]);
  }
  const frame = (flags: number, bytes: Uint8Array, length = bytes.length) => {
    const head = Buffer.alloc(5);
    head[0] = flags;
    head.writeUInt32BE(length, 1);
    return Buffer.concat([head, bytes]);
  };
  /** A spec with so many inputs in each other, in bytes. */
  const nested = (levels: number) => {
    let input = create(api.InputSchema);
    for (let i = 0; i < levels; i++) input = create(api.InputSchema, { cross: [input] });
    return toBinary(api.CreatePipelineRequestSchema, create(api.CreatePipelineRequestSchema, { spec: { input } }));
  };
  const INSPECT = "/sheaf.api.v1.JobService/InspectJob";

  for (const [what, path, frames, headers, status] of [
    ["is answered", INSPECT, frame(0, message), {}, 0],
    ["85 another method is UNIMPLEMENTED", "/sheaf.api.v1.JobService/Nothing", frame(0, message), {}, 12],
    ["85 two slashes", `/${INSPECT}`, frame(0, message), {}, 12],
    ["85 a slash behind it", `${INSPECT}/`, frame(0, message), {}, 12],
    ["85 no slash: HTTP/2 ends the call", INSPECT.slice(1), frame(0, message), {}, Number.NaN],
    ["31 bytes that are no UTF-8", INSPECT, frame(0, Buffer.from([0x12, 2, 0x61, 0xff])), {}, 3],
    ["39 a bomb", INSPECT, frame(1, gzipSync(Buffer.alloc(50_000_000))), { "grpc-encoding": "gzip" }, 8],
    ["86 of a length of 4 GiB is refused at its length", INSPECT, frame(0, message, 0xffff_ffff), {}, 8],
    ["87 a frame that breaks off", INSPECT, frame(0, message).subarray(0, 4), {}, 3],
    ["87 no frame", INSPECT, Buffer.alloc(0), {}, 12],
    ["87 two frames of a unary call", INSPECT, Buffer.concat([frame(0, message), frame(0, message)]), {}, 12],
    ["87 a flag that is none", INSPECT, frame(7, message), {}, 13],
    ["88 corrupt gzip", INSPECT, frame(1, message), { "grpc-encoding": "gzip" }, 3],
    ["88 an unknown compression", INSPECT, frame(1, message), { "grpc-encoding": "snappy" }, 12],
    ["89 bytes that are no message", INSPECT, frame(0, Buffer.from([0xff, 0xff, 0xff])), {}, 3],
    ["89 1,000 levels", "/sheaf.api.v1.PipelineService/CreatePipeline", frame(0, nested(1_000)), {}, 3],
    [
      "a type that nobody speaks is 415",
      INSPECT,
      frame(0, message),
      { "content-type": "application/x-protobuf" },
      Number.NaN,
    ],
  ] as const) {
    it(what, async () => {
      assert.equal(await call(path, frames, headers), status);
      await assertLives();
    });
  }

  it("90 headers of 200 KB end the call, and only it", async () => {
    assert.ok(Number.isNaN(await call(INSPECT, frame(0, message), { "x-big": "x".repeat(200_000) })));
    await assertLives();
  });
});

describe("web pages", () => {
  it("of other origins are refused, unless they are allowed", async () => {
    const pages = servePublic({
      host: "127.0.0.1",
      port: 0,
      services: [implement(api.JobService, { inspectJob: async () => ({}) })],
      browserOrigins: ["https://console.example"],
      log: testLogger(),
    });
    await pages.start();
    try {
      const url = `http://127.0.0.1:${pages.address.port}/sheaf.api.v1.JobService/InspectJob`;
      const ask = (method: string, origin: string) =>
        fetch(url, {
          method,
          headers: { origin, "content-type": "application/json" },
          ...(method === "POST" && { body: "{}" }),
        });
      assert.equal((await ask("POST", "https://evil.example")).status, 403);
      assert.equal((await ask("OPTIONS", "https://evil.example")).status, 403);
      assert.equal((await ask("POST", `http://127.0.0.1:${pages.address.port}`)).status, 200);
      const preflight = await ask("OPTIONS", "https://console.example");
      assert.equal(preflight.status, 204);
      assert.match(preflight.headers.get("access-control-allow-headers") ?? "", /X-Grpc-Web/);
      const call = await ask("POST", "https://console.example");
      assert.deepEqual(
        [call.status, call.headers.get("access-control-allow-origin")],
        [200, "https://console.example"],
      );
    } finally {
      await pages.stop();
    }
  });
});
