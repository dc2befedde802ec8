/** The session between a worker and an owner, as far as the transport goes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dispatch } from "@sheaf/proto";
import { failedPrecondition, systemClock, testLogger } from "@sheaf/runtime";
import { grpcConnection } from "./grpc-client.ts";
import { serveGrpc } from "./grpc-server.ts";
import type { Handlers } from "./handlers.ts";
import { implement } from "./mount.ts";
import { servePublic } from "./public-server.ts";

type Session = NonNullable<Handlers<typeof dispatch.DispatchService>["session"]>;

async function running(session: Session, serve: typeof serveGrpc = serveGrpc) {
  const services = [implement(dispatch.DispatchService, { session })];
  const server = serve({ host: "127.0.0.1", port: 0, services, log: testLogger() });
  await server.start();
  const connection = grpcConnection(`127.0.0.1:${server.address.port}`);
  const dispose = async () => {
    connection.close();
    await server.stop();
  };
  const { session: open } = connection.client(dispatch.DispatchService);
  return { server, connection, open, [Symbol.asyncDispose]: dispose };
}

const beat = (claim: string) => ({
  message: { case: "beat" as const, value: { claims: [{ claim }] } },
});
const release = (claim: string) => ({ message: { case: "release" as const, value: { claim } } });

/** Sends every claim of a beat back as a release. */
const echo: Session = async (stream) => {
  for await (const { message } of stream.messages) {
    if (message.case === "beat") for (const { claim } of message.value.claims) await stream.write(release(claim));
  }
};

async function claimsOf(messages: AsyncIterable<dispatch.SessionResponse>, count: number): Promise<string[]> {
  const claims: string[] = [];
  for await (const { message } of messages) {
    if (message.case === "release" && claims.push(message.value.claim) === count) break;
  }
  return claims;
}

for (const [name, serve] of [
  ["grpc-js", serveGrpc],
  ["the public port", servePublic],
] as const) {
  describe(`a bidirectional stream over ${name}`, () => {
    it("echoes 10,000 messages in order while both sides write", async () => {
      await using all = await running(echo, serve);
      const stream = all.open();
      const reading = claimsOf(stream.messages, 10_000);
      for (let i = 0; i < 10_000; i++) await stream.write(beat(String(i)));
      assert.deepEqual(
        await reading,
        Array.from({ length: 10_000 }, (_, i) => String(i)),
      );
      stream.cancel();
      assert.deepEqual(await stream.closed, { kind: "cancelled" });
    });

    it("ends in order: the caller ends, the handler returns", async () => {
      await using all = await running(echo, serve);
      const stream = all.open();
      await stream.write(beat("a"));
      stream.end();
      assert.deepEqual(await claimsOf(stream.messages, 2), ["a"]);
      assert.deepEqual(await stream.closed, { kind: "ended" });
    });

    it("holds the writer back when the other side does not read", async () => {
      const begun = Promise.withResolvers<void>();
      const go = Promise.withResolvers<void>();
      await using all = await running(async (stream) => {
        begun.resolve();
        await go.promise;
        for await (const _ of stream.messages);
      }, serve);
      const stream = all.open();
      const big = beat("x".repeat(100_000));
      await stream.write(big);
      await begun.promise;
      let written = 1;
      const writing = (async () => {
        for (; written < 300; written++) await stream.write(big);
        stream.end();
      })();
      let before = 0;
      while (written !== before) {
        before = written;
        await systemClock.sleep(100);
      }
      assert.ok(written < 150, `${written} messages of 100 kB are under way`);
      go.resolve();
      await writing;
      for await (const _ of stream.messages);
      assert.equal((await stream.closed).kind, "ended");
    });

    it("fails with the error of the handler, and writes are refused from then on", async () => {
      await using all = await running(async (stream) => {
        for await (const _ of stream.messages) throw failedPrecondition("OTHER_VERSION", "worker 2.0, owner 1.0");
      }, serve);
      const stream = all.open();
      await stream.write(beat("a"));
      for await (const _ of stream.messages);
      const reason = await stream.closed;
      assert.ok(reason.kind === "failed");
      assert.deepEqual([reason.error.code, reason.error.reason], ["FAILED_PRECONDITION", "OTHER_VERSION"]);
      await assert.rejects(stream.write(beat("b")), { reason: "STREAM_CLOSED" });
    });

    it("tells the handler that the caller is gone", async () => {
      const seen = Promise.withResolvers<string>();
      const begun = Promise.withResolvers<void>();
      await using all = await running(async (stream) => {
        for await (const _ of stream.messages) begun.resolve();
        seen.resolve((await stream.closed).kind);
      }, serve);
      const stream = all.open();
      await stream.write(beat("a"));
      await begun.promise;
      stream.cancel();
      assert.equal(await seen.promise, "lost");
    });

    it("drains: the handler sees it and ends in order", async () => {
      const begun = Promise.withResolvers<void>();
      await using all = await running(async (stream, { draining }) => {
        begun.resolve();
        await new Promise((resolve) => draining.addEventListener("abort", resolve));
        await stream.write({ message: { case: "drain", value: {} } });
      }, serve);
      const stream = all.open();
      await stream.write(beat("a"));
      await begun.promise;
      const drained = all.server.drain(systemClock.now() + 5_000);
      const last: (string | undefined)[] = [];
      for await (const { message } of stream.messages) last.push(message.case);
      assert.deepEqual(last, ["drain"]);
      assert.equal((await stream.closed).kind, "ended");
      await drained;
    });

    it("is lost when the server stops under it", async () => {
      const begun = Promise.withResolvers<void>();
      await using all = await running(() => {
        begun.resolve();
        return new Promise(() => {});
      }, serve);
      const stream = all.open();
      await stream.write(beat("a"));
      await begun.promise;
      await all.server.stop();
      for await (const _ of stream.messages);
      assert.equal((await stream.closed).kind, "lost");
    });

    it("is lost, with the address, when nobody listens", async () => {
      const all = await running(echo, serve);
      await all.server.stop();
      const stream = all.open();
      for await (const _ of stream.messages);
      const reason = await stream.closed;
      assert.ok(reason.kind === "lost");
      assert.match(reason.error.message, new RegExp(all.connection.address));
      all.connection.close();
    });
  });
}
