import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { request as requestHttps } from "node:https";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { connect as connectTls, createServer as createTls } from "node:tls";
import { getOption } from "@bufbuild/protobuf";
import { issue, writeFolder } from "@sheaf/certificates";
import { formatLine, newToken, PEER_ROLES, type PeerRole, peerUri, Tokens, USER_ROLES } from "@sheaf/identity";
import { access, api, dispatch, health } from "@sheaf/proto";
import { manualClock, Secret, systemClock, systemRandom, testLogger } from "@sheaf/runtime";
import { servicesOnly, usersOnly } from "./access.ts";
import type { ClientTls } from "./client-tls.ts";
import { grpcConnection } from "./grpc-client.ts";
import { serveGrpc } from "./grpc-server.ts";
import { implement } from "./mount.ts";
import { publicConnection } from "./public-client.ts";
import { servePublic } from "./public-server.ts";
import type { RpcServer, RpcServerOptions } from "./rpc-server.ts";
import { refuseBeyondLoopback } from "./rules.ts";
import { failureOf, serverSuite } from "./server.suite.ts";
import { openTokens, testCertificates, testFolder } from "./tls.test-kit.ts";
import { uploadSuite } from "./upload.suite.ts";

const ours = await testCertificates("ours");
const foreign = await testCertificates("ours"); // the same names, another authority
const neighbour = await testCertificates("neighbour", ours); // the same authority, another cluster
const master = await ours.tls("master");
const user: ClientTls = { kind: "user", ca: ours.ca };
const log = testLogger();
const host = "127.0.0.1";

const asService = async (role: PeerRole, from = ours, servers: PeerRole[] = ["master", "merge"]) =>
  ({ kind: "service", own: await from.tls(role), servers }) as const;

const workerTls = await asService("worker");
const everyService = { inspectJob: async () => ({}) };
const echo = implement(dispatch.DispatchService, {
  session: async (stream) => {
    for await (const message of stream.messages) {
      if (message.message.case === "hello") await stream.write({ message: { case: "beat", value: {} } });
    }
  },
});

async function serving(server: RpcServer): Promise<string> {
  await server.start();
  after(() => server.stop());
  return `${host}:${server.address.port}`;
}

const tokensFile = join(testFolder(), "tokens");
const tokenOf = new Map<string, Secret<string>>();
const lines = USER_ROLES.map((role) => {
  const { token, line } = newToken({ name: role, role, expires: systemClock.wall() + 3_600_000 }, systemRandom);
  tokenOf.set(role, token);
  return formatLine(line);
});
writeFileSync(tokensFile, lines.join("\n"));

const plain = { services: [], log, host, port: 0 };
const dispatchAddress = await serving(serveGrpc({ ...plain, services: [echo], tls: master }));
const tokens = await openTokens(tokensFile);
const apiServices = [implement(api.JobService, everyService), implement(api.RepoService, {})];
const apiAddress = await serving(servePublic({ ...plain, services: apiServices, tls: master, tokens }));

const overTls = { serve: (options: RpcServerOptions) => servePublic({ ...options, tls: master }) };
const connectUser = (address: string) => publicConnection(address, { retryMs: 0, tls: user });
const connectService = (address: string) => grpcConnection(address, { tls: workerTls });
serverSuite("connect to the public port in TLS", { ...overTls, connect: connectUser });
serverSuite("grpc-js to the public port in TLS", { ...overTls, connect: connectService });
uploadSuite("by connect in TLS", { ...overTls, connect: connectUser });

/** Opens a session and waits for its first answer. */
async function session(address: string, tls?: ClientTls) {
  const connection = grpcConnection(address, tls === undefined ? {} : { tls });
  const stream = connection.client(dispatch.DispatchService).session();
  const hello = { message: { case: "hello" as const, value: {} } };
  void stream.write(hello).catch(() => {});
  const messages = stream.messages[Symbol.asyncIterator]();
  const first = await messages.next();
  const end = async () => {
    for (let next = first; !next.done; next = await messages.next());
    const reason = await stream.closed;
    connection.close();
    return "error" in reason ? reason.error : undefined;
  };
  const say = async () => {
    await stream.write(hello);
    return (await messages.next()).done !== true;
  };
  const close = () => connection.close();
  return { answered: first.done !== true, end, say, close, [Symbol.dispose]: close };
}

describe("who may call what", () => {
  for (const role of PEER_ROLES) {
    it(`dispatch: a ${role} ${role === "worker" ? "may" : "may not"}`, async () => {
      using stream = await session(dispatchAddress, await asService(role));
      assert.equal(stream.answered, role === "worker");
      if (role !== "worker") assert.equal((await stream.end())?.reason, "NOT_ALLOWED");
    });
  }

  it("every rpc says who may call it, and roles and methods agree in all pairs", () => {
    const levels = [access.Caller.VIEWER, access.Caller.EDITOR, access.Caller.ADMIN] as const;
    const services = Object.values({ ...api, ...dispatch }).filter((each) => "methods" in each);
    assert.ok(services.length >= 7);
    for (const { methods, typeName } of services) {
      for (const method of methods) {
        const caller = getOption(method, access.caller);
        const isUsers = levels.includes(caller as (typeof levels)[0]);
        const expected = typeName.startsWith("sheaf.api.") ? isUsers : caller === access.Caller.WORKER;
        assert.ok(expected, `${typeName}/${method.name} names nobody who may call it: option (sheaf.access.v1.caller)`);
        for (const [level, role] of USER_ROLES.entries()) {
          const header = () => `Bearer ${tokenOf.get(role)?.reveal()}`;
          const enter = () => usersOnly(tokens)(method, { peer: undefined, header });
          if (isUsers && levels.indexOf(caller as (typeof levels)[0]) <= level) assert.doesNotThrow(enter);
          else assert.throws(enter, { code: "PERMISSION_DENIED", reason: "NOT_ALLOWED" });
        }
        for (const role of PEER_ROLES) {
          const enter = () =>
            servicesOnly("ours")(method, { peer: { cluster: "ours", role }, header: () => undefined });
          if (caller === access.Caller.WORKER && role === "worker") assert.doesNotThrow(enter);
          else assert.throws(enter, { code: "PERMISSION_DENIED", reason: "NOT_ALLOWED" });
        }
      }
    }
  });

  it("health is answered without a token, and its methods are the only ones that need no option", async () => {
    const connection = publicConnection(apiAddress, { tls: user });
    const { status } = await connection.client(health.Health).check({ service: "" });
    assert.equal(status, health.HealthCheckResponse_ServingStatus.SERVING);
    connection.close();
  });

  it("a certificate is no token: a worker may not call the API", async () => {
    const connection = grpcConnection(apiAddress, { tls: workerTls });
    const error = await failureOf(connection.client(api.JobService).inspectJob({}));
    assert.deepEqual([error.code, error.reason], ["UNAUTHENTICATED", "TOKEN_MISSING"]);
    connection.close();
  });

  it("tokens: none, wrong, too little, enough, by gRPC", async () => {
    const asked = async (token?: Secret<string>) => {
      const connection = publicConnection(apiAddress, { tls: user, ...(token && { token }), retryMs: 0 });
      const call = connection.client(api.RepoService).deleteRepo({ name: "secret-repo" });
      const error = await failureOf(call);
      connection.close();
      assert.ok(!error.message.includes("secret-repo"));
      return `${error.code} ${error.reason}`;
    };
    assert.equal(await asked(), "UNAUTHENTICATED TOKEN_MISSING");
    assert.equal(await asked(new Secret("nonsense")), "UNAUTHENTICATED TOKEN_UNKNOWN");
    const other = newToken({ name: "admin", role: "admin", expires: Number.POSITIVE_INFINITY }, systemRandom);
    assert.equal(await asked(other.token), "UNAUTHENTICATED TOKEN_UNKNOWN");
    assert.equal(await asked(tokenOf.get("editor")), "PERMISSION_DENIED NOT_ALLOWED");
    assert.equal(await asked(tokenOf.get("admin")), "UNIMPLEMENTED RPC_UNIMPLEMENTED"); // it got in
  });

  it("the same by HTTP/1.1 and JSON", async () => {
    const ask = (headers: Record<string, string>) =>
      new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
        const sent = requestHttps(
          `https://${apiAddress}/sheaf.api.v1.JobService/InspectJob`,
          { method: "POST", ca: ours.ca, headers: { "content-type": "application/json", ...headers } },
          async (answer) => {
            let text = "";
            for await (const chunk of answer) text += chunk;
            resolve({ status: answer.statusCode, text });
          },
        );
        sent.on("error", reject);
        sent.end("{}");
      });
    const none = await ask({});
    assert.equal(none.status, 401);
    assert.match(none.text, /TOKEN_MISSING|unauthenticated/);
    assert.equal((await ask({ authorization: `Bearer ${tokenOf.get("viewer")?.reveal()}` })).status, 200);
  });
});

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
      assert.equal(error.reason, "UNREACHABLE");
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

describe("tokens that end", () => {
  async function watching(expires: number, clock = systemClock) {
    const file = join(testFolder(), "tokens");
    const { token, line } = newToken({ name: "ci", role: "viewer", expires }, systemRandom);
    writeFileSync(file, `# who\n\n${formatLine(line)}\n`);
    const held = await Tokens.open(file, { log, clock });
    await held.start();
    after(() => held.stop());
    const jobs = implement(api.JobService, {
      watchJob: async function* (_, { signal }) {
        yield {};
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    const address = await serving(servePublic({ ...plain, services: [jobs], tokens: held }));
    const connection = publicConnection(address, { token, retryMs: 0 });
    after(() => connection.close());
    const stream = connection.client(api.JobService).watchJob({})[Symbol.asyncIterator]();
    await stream.next();
    return {
      file,
      held,
      over: () => failureOf(stream.next()),
      again: () => failureOf(connection.client(api.JobService).inspectJob({})),
    };
  }

  it("a stream ends when its token expires", async () => {
    const clock = manualClock();
    const { over, again } = await watching(clock.wall() + 60_000, clock);
    const ended = over();
    await clock.advance(60_000);
    assert.equal((await ended).reason, "TOKEN_EXPIRED");
    assert.equal((await again()).reason, "TOKEN_EXPIRED");
  });

  it("a stream ends when its token is revoked; the other tokens stay", async () => {
    const { over, again, file, held } = await watching(Number.POSITIVE_INFINITY);
    const other = newToken({ name: "other", role: "viewer", expires: Number.POSITIVE_INFINITY }, systemRandom);
    writeFileSync(file, formatLine(other.line));
    // It looks by itself.
    assert.equal((await over()).reason, "TOKEN_UNKNOWN");
    assert.equal((await again()).reason, "TOKEN_UNKNOWN");
    assert.equal(held.user(other.token).name, "other");
  });

  it("a wrong line grants nothing, and is refused at the start", async () => {
    const file = join(testFolder(), "tokens");
    for (const line of [
      "ci editor never",
      "ci root never sha256:00",
      `ci viewer 2027-01-01 sha256:${"0".repeat(64)}`,
    ]) {
      writeFileSync(file, line);
      await assert.rejects(openTokens(file), { reason: "TOKENS_BAD", message: /line 1/ });
    }
    await assert.rejects(openTokens(join(file, "..", "none")), { reason: "TOKENS_BAD" });
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
