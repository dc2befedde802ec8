/** What the client of browsers does by itself, with Node's own fetch. In a real browser: test/clients/browser.test.ts. */
import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { api } from "@sheaf/proto";
import { invalidArgument, manualClock, Secret, testLogger, unavailable } from "@sheaf/runtime";
import type { Handlers } from "./handlers.ts";
import { implement } from "./mount.ts";
import { servePublic } from "./public-server.ts";
import { publicConnection } from "./web-client.ts";

async function jobServer(handlers: Handlers<typeof api.JobService>) {
  const services = [implement(api.JobService, handlers)];
  const server = servePublic({ host: "127.0.0.1", port: 0, services, log: testLogger() });
  await server.start();
  const url = `http://127.0.0.1:${server.address.port}`;
  return { url, [Symbol.asyncDispose]: () => server.stop() };
}

/** Answers every call with these bytes of a stream, and then with `end`. */
async function halfServer(bytes: Uint8Array, end: (response: ServerResponse) => void) {
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "application/grpc-web+proto" });
    response.write(bytes, () => end(response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = async () => {
    server.closeAllConnections();
    server.close();
  };
  return { url, [Symbol.asyncDispose]: stop };
}

/** An empty message in its envelope. */
const MESSAGE = Uint8Array.of(0, 0, 0, 0, 0);

async function jobsOf(messages: AsyncIterable<{ readonly job?: api.Job | undefined }>): Promise<number> {
  let count = 0;
  for await (const _ of messages) count++;
  return count;
}

describe("publicConnection in a browser", () => {
  it("gives errors as the server made them, with code, reason, fields and delay", async () => {
    const details = [{ field: "page.size", description: "is negative" }];
    const error = invalidArgument("PAGE_WRONG", "ü: the page is wrong", { details, retryDelayMs: 7 });
    const fail = () => {
      throw error;
    };
    await using server = await jobServer({ inspectJob: fail, watchJob: fail });
    const rpc = publicConnection(server.url).client(api.JobService);
    const { code, reason, message, retryDelayMs } = error;
    for (const call of [rpc.inspectJob({}), jobsOf(rpc.watchJob({}))]) {
      await assert.rejects(call, { code, reason, message, details, retryDelayMs });
    }
  });

  it("makes a call that changes nothing again, and no other, and says who calls", async () => {
    const calls: string[] = [];
    const flaky = async (_: unknown, { method, header }: { method: string; header: (name: string) => unknown }) => {
      calls.push(`${method.split("/").at(-1)} ${header("authorization")}`);
      if (calls.length % 2 === 1) throw unavailable("NOT_YET", "not yet");
      return {};
    };
    await using server = await jobServer({ inspectJob: flaky, stopJob: flaky });
    const rpc = publicConnection(server.url, { token: new Secret("t") }).client(api.JobService);
    await rpc.inspectJob({});
    await assert.rejects(rpc.stopJob({}), { reason: "NOT_YET" });
    assert.deepEqual(calls, ["InspectJob Bearer t", "InspectJob Bearer t", "StopJob Bearer t"]);
  });

  it("says what to look at when nobody answers", async () => {
    const gone = await jobServer({});
    await gone[Symbol.asyncDispose]();
    const rpc = publicConnection(gone.url, { retryMs: 0 }).client(api.JobService);
    const wanted = { code: "UNAVAILABLE", reason: "UNREACHABLE", message: /cannot reach http:\S+ .*BROWSER_ORIGINS/ };
    await assert.rejects(rpc.inspectJob({}), wanted);
    await assert.rejects(jobsOf(rpc.watchJob({})), wanted);
  });

  const ENDS: [string, Uint8Array, (response: ServerResponse) => void][] = [
    ["is reset", MESSAGE, (response) => response.socket?.resetAndDestroy()],
    ["ends without its end", MESSAGE, (response) => response.end()],
    ["ends inside a message", Uint8Array.of(...MESSAGE, 0, 0), (response) => response.end()],
  ];
  for (const [what, bytes, end] of ENDS)
    it(`a stream that ${what} is one that broke`, async () => {
      await using server = await halfServer(bytes, end);
      const rpc = publicConnection(server.url, { retryMs: 0 }).client(api.JobService);
      await assert.rejects(jobsOf(rpc.watchJob({})), { code: "UNAVAILABLE", reason: "UNREACHABLE" });
      await assert.rejects(rpc.inspectJob({}), { code: "UNAVAILABLE" });
    });

  it("gives up at the deadline", async () => {
    await using server = await halfServer(MESSAGE, () => {});
    const rpc = publicConnection(server.url).client(api.JobService);
    const late = { code: "DEADLINE_EXCEEDED", message: /no answer from http/ };
    await assert.rejects(rpc.inspectJob({}, { timeoutMs: 100 }), late);
    await assert.rejects(jobsOf(rpc.watchJob({}, { timeoutMs: 100 })), late);
  });

  it("takes a stream of signs of life that falls silent for dead, and no other, nor one whose caller is busy", async () => {
    await using server = await halfServer(MESSAGE, () => {});
    const clock = manualClock();
    const connection = publicConnection(server.url, { clock });
    const watch = connection.client(api.JobService).watchJob({})[Symbol.asyncIterator]();
    await watch.next();
    await clock.advance(600_000); // busy
    const next = watch.next();
    next.catch(() => {});
    const dead = { code: "UNAVAILABLE", reason: "UNREACHABLE", message: /nothing came for 30 s/ };
    await assert.rejects(clock.until(next, 30_000), dead);
    assert.equal(clock.pending(), 0);

    const files = connection.client(api.FileService).getFiles({})[Symbol.asyncIterator]();
    await files.next();
    const file = files.next();
    await clock.advance(600_000);
    connection.close();
    await assert.rejects(file, { code: "CANCELLED" });
  });

  it("calls off: by a signal, by leaving the loop, by the connection's close; and the server is told", async () => {
    const over: Promise<void>[] = [];
    await using server = await jobServer({
      async *watchJob(_, { signal }) {
        const { promise, resolve } = Promise.withResolvers<void>();
        signal.addEventListener("abort", () => resolve(), { once: true });
        over.push(promise);
        yield {};
        await promise;
      },
    });
    const connection = publicConnection(server.url);
    const rpc = connection.client(api.JobService);
    const off = new AbortController();
    const watch = async (act: () => boolean, signal?: AbortSignal) => {
      for await (const _ of rpc.watchJob({}, signal && { signal })) if (act()) break;
    };
    const abort = () => {
      off.abort();
      return false;
    };
    await assert.rejects(watch(abort, off.signal), { code: "CANCELLED", reason: "CALLED_OFF" });
    await watch(() => true);
    const close = () => {
      connection.close();
      return false;
    };
    await assert.rejects(watch(close), { code: "CANCELLED", reason: "CALLED_OFF" });
    await Promise.all(over);
    assert.equal(over.length, 3);
  });

  it("refuses uploads, and says who can", async () => {
    await using server = await jobServer({});
    const file = publicConnection(server.url).client(api.FileService);
    async function* nothing() {}
    const wanted = { code: "UNIMPLEMENTED", reason: "NO_UPLOADS", message: /ModifyFiles.*Node, Python, Go or Java/ };
    await assert.rejects(file.modifyFiles(nothing()), wanted);
  });
});
