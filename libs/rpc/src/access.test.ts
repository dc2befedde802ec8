import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { request as requestHttps } from "node:https";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { getOption } from "@bufbuild/protobuf";
import { formatLine, newToken, PEER_ROLES, Tokens, USER_ROLES } from "@sheaf/identity";
import { access, api, dispatch, health, reflection } from "@sheaf/proto";
import { manualClock, Secret, systemClock, systemRandom, testLogger } from "@sheaf/runtime";
import { servicesOnly, usersOnly } from "./access.ts";
import type { ClientTls } from "./client-tls.ts";
import { grpcConnection } from "./grpc-client.ts";
import { serveGrpc } from "./grpc-server.ts";
import { HealthBoard } from "./health.ts";
import { serveHealth } from "./health-server.ts";
import { implement } from "./mount.ts";
import { publicConnection } from "./public-client.ts";
import { servePublic } from "./public-server.ts";
import { failureOf } from "./server.suite.ts";
import {
  echo,
  openTokens,
  plain,
  serviceTls,
  serving,
  session,
  testCertificates,
  testFolder,
  testTokens,
} from "./tls.test-kit.ts";

const ours = await testCertificates("ours");
const master = await ours.tls("master");
const user: ClientTls = { kind: "user", ca: ours.ca };
const { tokens, tokenOf } = await testTokens();
const services = [implement(api.JobService, { inspectJob: async () => ({}) }), implement(api.RepoService, {})];
const apiAddress = await serving(servePublic({ ...plain, services, tls: master, tokens }));
const dispatchAddress = await serving(serveGrpc({ ...plain, services: [echo], tls: master }));
const log = testLogger();

describe("who may call what", () => {
  for (const role of PEER_ROLES) {
    it(`dispatch: a ${role} ${role === "worker" ? "may" : "may not"}`, async () => {
      using stream = await session(dispatchAddress, await serviceTls(ours, role));
      assert.equal(stream.answered, role === "worker");
      if (role !== "worker") assert.equal((await stream.end())?.reason, "NOT_ALLOWED");
    });
  }

  it("85, 98 every rpc says who may call it, and roles and methods agree in all pairs", () => {
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

  it("health is answered without a token", async () => {
    const connection = publicConnection(apiAddress, { tls: user });
    const { status } = await connection.client(health.Health).check({ service: "" });
    assert.equal(status, health.HealthCheckResponse_ServingStatus.SERVING);
    connection.close();
  });

  it("99 reflection, in both versions, is for users who look: not for nobody, not for services", () => {
    for (const { ServerReflection } of [reflection.v1, reflection.v1alpha]) {
      const method = ServerReflection.method.serverReflectionInfo;
      const bearer = (token: string | undefined) => (name: string) =>
        name === "authorization" && token !== undefined ? `Bearer ${token}` : undefined;
      assert.throws(() => usersOnly(tokens)(method, { peer: undefined, header: bearer(undefined) }), {
        reason: "TOKEN_MISSING",
      });
      const header = bearer(tokenOf.get("viewer")?.reveal());
      assert.doesNotThrow(() => usersOnly(tokens)(method, { peer: undefined, header }));
      for (const role of PEER_ROLES) {
        const peer = { cluster: "ours", role };
        assert.throws(() => servicesOnly("ours")(method, { peer, header }), { reason: "NOT_ALLOWED" });
      }
    }
  });

  it("the port for probes answers health in plain text, and nothing else; it tells what the service says of itself", async () => {
    const board = new HealthBoard([]);
    const free = servePublic({ ...plain });
    const address = await serving(free); // to find a port
    await free.stop();
    const probes = serveHealth({ host: "127.0.0.1", port: Number(address.split(":")[1]) }, board, log);
    await probes.start();
    after(() => probes.stop());
    const connection = grpcConnection(address);
    after(() => connection.close());
    const status = async () => (await connection.client(health.Health).check({})).status;
    assert.equal(await status(), health.HealthCheckResponse_ServingStatus.NOT_SERVING);
    board.setAll(true);
    assert.equal(await status(), health.HealthCheckResponse_ServingStatus.SERVING);
    assert.equal((await failureOf(connection.client(api.RepoService).listRepos({}))).code, "UNIMPLEMENTED");
  });

  it("a certificate is no token: a worker may not call the API", async () => {
    const connection = grpcConnection(apiAddress, { tls: await serviceTls(ours, "worker") });
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
