import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { connect as connectTls, createServer as createTls } from "node:tls";
import { issue, writeFolder } from "@sheaf/certificates";
import { type PeerRole, peerUri } from "@sheaf/identity";
import { api, health } from "@sheaf/proto";
import { Secret, systemClock } from "@sheaf/runtime";
import type { ClientTls } from "./client-tls.ts";
import { grpcConnection } from "./grpc-client.ts";
import { serveGrpc } from "./grpc-server.ts";
import { implement } from "./mount.ts";
import { publicConnection } from "./public-client.ts";
import { servePublic } from "./public-server.ts";
import type { RpcServerOptions } from "./rpc-server.ts";
import { refuseBeyondLoopback } from "./rules.ts";
import { failureOf, serverSuite } from "./server.suite.ts";
import { echo, plain, serviceTls, serving, session, testCertificates, testTokens } from "./tls.test-kit.ts";
import { uploadSuite } from "./upload.suite.ts";

const ours = await testCertificates("ours");
const foreign = await testCertificates("ours"); // the same names, another authority
const neighbour = await testCertificates("neighbour", ours); // the same authority, another cluster
const master = await ours.tls("master");
const user: ClientTls = { kind: "user", ca: ours.ca };
const host = "127.0.0.1";

const asService = (role: PeerRole, from = ours) => serviceTls(from, role);

const workerTls = await asService("worker");
const dispatchAddress = await serving(serveGrpc({ ...plain, services: [echo], tls: master }));
const { tokens } = await testTokens();
const apiServices = [implement(api.JobService, { inspectJob: async () => ({}) }), implement(api.RepoService, {})];
const apiAddress = await serving(servePublic({ ...plain, services: apiServices, tls: master, tokens }));

const overTls = { serve: (options: RpcServerOptions) => servePublic({ ...options, tls: master }) };
const connectUser = (address: string) => publicConnection(address, { retryMs: 0, tls: user });
const connectService = (address: string) => grpcConnection(address, { tls: workerTls });
serverSuite("connect to the public port in TLS", { ...overTls, connect: connectUser });
serverSuite("grpc-js to the public port in TLS", { ...overTls, connect: connectService });
uploadSuite("by connect in TLS", { ...overTls, connect: connectUser });

describe("who is let in at all", () => {
  const refusals: [string, () => Promise<ClientTls>, RegExp][] = [
    ["another authority", () => asService("worker", foreign), /CA|authority|certificate/i],
    ["another cluster", () => asService("worker", neighbour), /cluster/],
    ["an expired certificate", expiredWorker, /certificate|broke/i],
  ];
  for (const [name, tls, told] of refusals) {
    it(`dispatch refuses ${name}`, async () => {
      const connection = grpcConnection(dispatchAddress, { tls: await tls() });
      const error = await failureOf(connection.client(health.Health).check({ service: "" }));
      assert.match(error.message, told);
      connection.close();
    });

    // The client is the first to notice: here it would not mind whom it speaks to.
    it(`the server itself refuses ${name}`, async () => {
      const { own } = (await tls()) as Extract<ClientTls, { kind: "service" }>;
      const { cert, key } = own.value;
      assert.equal(await firstAnswer({ cert, key: key.reveal() }), name === "another cluster" ? 7 : undefined);
    });
  }

  it("dispatch refuses a connection without a certificate", async () => {
    assert.equal(await firstAnswer({}), undefined);
  });

  it("the public port refuses a certificate that is not good, though it needs none", async () => {
    const files = foreign.files;
    const [cert, key] = [files.get("worker.crt")?.reveal(), files.get("worker.key")?.reveal()];
    assert.equal(await firstAnswer({ ...(cert && key && { cert, key }) }, apiAddress), undefined);
    assert.equal(await firstAnswer({}, apiAddress), 0);
  });

  it("nothing older than TLS 1.3", async () => {
    for (const address of [apiAddress, dispatchAddress]) {
      const [, port] = address.split(":");
      const socket = connectTls({ host, port: Number(port), ca: ours.ca, maxVersion: "TLSv1.2" });
      await assert.rejects(new Promise((resolve, reject) => socket.on("secureConnect", resolve).on("error", reject)));
    }
  });

  it("clients refuse who is not the service that they look for", async () => {
    const impostors = { worker: "worker", "merge for a user": "merge" } as const;
    for (const role of Object.values(impostors)) {
      const address = await serving(servePublic({ ...plain, tls: await ours.tls(role) }));
      const connection = publicConnection(address, { tls: user, retryMs: 0 });
      const error = await failureOf(connection.client(health.Health).check({}));
      assert.deepEqual([error.code, error.reason], ["UNAVAILABLE", "TLS_FAILED"]);
      assert.match(error.message, new RegExp(`it is a ${role} of the cluster "ours", not a master`));
      connection.close();
    }
    const address = await serving(serveGrpc({ ...plain, tls: await ours.tls("worker") }));
    const connection = grpcConnection(address, { tls: workerTls });
    assert.match((await failureOf(connection.client(health.Health).check({}))).message, /WRONG_SERVER|it is a worker/);
    connection.close();
    const next = grpcConnection(await serving(serveGrpc({ ...plain, tls: await neighbour.tls("master") })), {
      tls: workerTls,
    });
    assert.match((await failureOf(next.client(health.Health).check({}))).message, /neighbour/);
    next.close();
  });
});

describe("errors that say what to do", () => {
  const ask = async (address: string, tls?: ClientTls) => {
    const connection = publicConnection(address, { retryMs: 0, ...(tls && { tls }) });
    const error = await failureOf(connection.client(health.Health).check({}));
    connection.close();
    return error;
  };

  it("plain text against TLS", async () => {
    assert.match((await ask(apiAddress)).message, /if it speaks TLS.*https:\/\//);
  });

  it("TLS against plain text", async () => {
    const address = await serving(servePublic({ ...plain }));
    assert.match((await ask(address, user)).message, /plain text/);
  });

  it("another authority", async () => {
    assert.match((await ask(apiAddress, { kind: "user", ca: foreign.ca })).message, /not signed by.*SHEAF_CA/);
    assert.match((await ask(apiAddress, { kind: "user", ca: undefined })).message, /SHEAF_CA/);
  });

  it("an expired certificate of the server", async () => {
    const { cert, key } = await pairThatEnds("master", -1_000);
    const server = createTls({ cert, key, minVersion: "TLSv1.3" }).listen(0, host);
    await new Promise((resolve) => server.once("listening", resolve));
    after(() => server.close());
    const at = server.address();
    assert.match((await ask(`${host}:${typeof at === "object" ? at?.port : 0}`, user)).message, /expired/);
  });
});

describe("files that change", () => {
  it("new certificates hold for new connections; a session that is open stays", async () => {
    const mine = await testCertificates("ours", ours);
    const kept = await mine.tls("master");
    const own = await mine.tls("worker");
    const address = await serving(serveGrpc({ ...plain, services: [echo], tls: kept }));
    using before = await session(address, { kind: "service", own, servers: ["master"] });
    assert.ok(before.answered);
    const serialOf = () => serverSerial(address, mine);
    const first = await serialOf();

    // Another authority altogether.
    const next = await testCertificates("ours");
    await writeFolder(mine.folder, next.files);
    await kept.look();
    assert.notEqual(await serialOf(), first);
    assert.ok(await before.say());
    // Who has the old certificate comes in no more; who reads the new one does, also the same client.
    const old = await asService("worker");
    const refused = grpcConnection(address, { tls: old });
    await failureOf(refused.client(health.Health).check({}));
    refused.close();
    await own.look();
    using after = await session(address, { kind: "service", own, servers: ["master"] });
    assert.ok(after.answered);
    assert.ok(await before.say());
  });

  it("a half-written pair changes nothing", async () => {
    const mine = await testCertificates("ours", ours);
    const kept = await mine.tls("master");
    const { cert } = kept.value;
    writeFileSync(join(mine.folder, "master.crt"), mine.files.get("merge.crt")?.reveal() ?? "");
    await kept.look();
    assert.equal(kept.value.cert, cert);
  });

  it("a channel that was there before uses the new certificate when it connects again", async () => {
    const mine = await testCertificates("ours", ours);
    const own = await mine.tls("worker");
    const server = serveGrpc({ ...plain, services: [echo], tls: await mine.tls("master") });
    const address = await serving(server);
    const connection = grpcConnection(address, { tls: { kind: "service", own, servers: ["master"] } });
    await connection.client(health.Health).check({});
    await server.stop();
    const next = await testCertificates("ours");
    await writeFolder(mine.folder, next.files);
    await own.look();
    await serving(
      serveGrpc({ ...plain, port: Number(address.split(":")[1]), services: [echo], tls: await mine.tls("master") }),
    );
    await connection.connected();
    await connection.client(health.Health).check({});
    connection.close();
  });
});

describe("ports that nobody may block", () => {
  const port = Number(apiAddress.split(":")[1]);

  it("a connection that never shakes hands is closed", { timeout: 20_000 }, async () => {
    const socket = connectTcp(port, host);
    const begun = performance.now();
    await new Promise((resolve) =>
      socket
        .on("close", resolve)
        .on("error", () => {})
        .resume(),
    );
    assert.ok(performance.now() - begun < 9_000);
  });

  it("more connections than the limit are closed; those that are there go on", async () => {
    const server = servePublic({ ...plain, tls: master, connectionsMax: 2 });
    const address = await serving(server);
    const connections = [0, 1, 2].map(() => publicConnection(address, { tls: user, retryMs: 0 }));
    const check = (i: number) => connections[i]?.client(health.Health).check({}) ?? Promise.reject();
    await check(0);
    await check(1);
    await failureOf(check(2));
    await check(0);
    for (const connection of connections) connection.close();
  });

  it("a page of another site gets no answer in plain text", async () => {
    const address = await serving(servePublic({ ...plain, services: apiServices, tokens }));
    const status = await new Promise((resolve) => {
      const [, port] = address.split(":");
      request({ host, port, method: "POST", path: "/x", headers: { host: "evil.example" } }, (answer) =>
        resolve(answer.statusCode),
      ).end();
    });
    assert.equal(status, 421);
  });
});

describe("listening beyond loopback", () => {
  const beyond = { ...plain, host: "0.0.0.0" };
  it("needs TLS, and on the public port tokens", async () => {
    await assert.rejects(serveGrpc(beyond).start(), { reason: "LISTEN_NOT_LOOPBACK", message: /--tls-cert/ });
    await assert.rejects(servePublic({ ...beyond, tokens }).start(), {
      reason: "LISTEN_NOT_LOOPBACK",
      message: /--tls-cert/,
    });
    await assert.rejects(servePublic({ ...beyond, tls: master }).start(), {
      reason: "LISTEN_NOT_LOOPBACK",
      message: /--tokens/,
    });
    assert.doesNotThrow(() => refuseBeyondLoopback(beyond.host, { tls: true, tokens: true }));
  });
});

/** The gRPC status of a health check, over HTTP/2 by hand: a client that trusts everybody. Undefined: the connection was refused. */
function firstAnswer(pair: object, address = dispatchAddress): Promise<number | undefined> {
  return new Promise((resolve) => {
    const session = connectHttp2(`https://${address}`, { ...pair, rejectUnauthorized: false });
    const refused = () => {
      resolve(undefined);
      session.destroy();
    };
    session.on("error", refused).on("close", refused);
    const path = address === apiAddress ? "/grpc.health.v1.Health/Check" : "/sheaf.dispatch.v1.DispatchService/Session";
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", refused).resume();
    const take = (headers: { "grpc-status"?: unknown }) => {
      if (headers["grpc-status"] === undefined) return;
      resolve(Number(headers["grpc-status"]));
      session.destroy();
    };
    stream.on("response", take).on("trailers", take);
    stream.end(Buffer.from([0, 0, 0, 0, 0]));
  });
}

async function pairThatEnds(role: PeerRole, lifeMs: number): Promise<{ cert: string; key: string }> {
  const { files } = ours;
  const authority = { certificate: files.get("ca.crt")?.reveal() ?? "", key: files.get("ca.key") ?? new Secret("") };
  const wanted = { name: role, uris: [peerUri({ cluster: "ours", role })], now: systemClock.wall(), lifeMs };
  const { certificate, key } = await issue(authority, wanted);
  return { cert: certificate, key: key.reveal() };
}

/** A worker that never noticed: the files are checked when they are read, and time goes on. */
async function expiredWorker(): Promise<ClientTls> {
  const { cert, key } = await pairThatEnds("worker", -1_000);
  const own = await (await testCertificates("ours", ours)).tls("worker");
  const value = { ...own.value, cert: Buffer.from(cert), key: new Secret(Buffer.from(key)) };
  return { kind: "service", own: { value, onChange: () => () => {} } as never, servers: ["master"] };
}

function serverSerial(address: string, { files }: { files: ReadonlyMap<string, Secret<string>> }): Promise<string> {
  return new Promise((resolve, reject) => {
    const [, port] = address.split(":");
    const [cert, key] = [files.get("worker.crt")?.reveal(), files.get("worker.key")?.reveal()];
    const socket = connectTls(
      { host, port: Number(port), rejectUnauthorized: false, cert, key, ALPNProtocols: ["h2"] },
      () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      },
    );
    socket.on("error", reject);
  });
}
