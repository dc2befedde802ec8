import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Stream, connect } from "node:http2";
import { it } from "node:test";
import { api } from "@sheaf/proto";
import { testLogger } from "@sheaf/runtime";
import { implement } from "./mount.ts";
import { servePublic } from "./public-server.ts";

/** Calls of one connection at a time. */
const CALLS_MAX = 256;

it("97 of 1,000 streams of one connection 256 run and the others wait; other connections go on", async () => {
  let running = 0;
  let most = 0;
  const full = Promise.withResolvers<void>();
  const jobs = implement(api.JobService, {
    inspectJob: async () => ({}),
    async *watchJob(_, { signal }) {
      running += 1;
      most = Math.max(most, running);
      if (running === CALLS_MAX) full.resolve();
      try {
        yield {};
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      } finally {
        running -= 1;
      }
    },
  });
  const server = servePublic({ host: "127.0.0.1", port: 0, services: [jobs], log: testLogger() });
  await server.start();
  const base = `http://127.0.0.1:${server.address.port}`;
  const session = connect(base);
  try {
    await once(session, "remoteSettings");
    assert.equal(session.remoteSettings.maxConcurrentStreams, CALLS_MAX);
    for (let i = 0; i < 1_000; i++) watch(session.request(WATCH));
    await full.promise;
    const answer = await fetch(`${base}/sheaf.api.v1.JobService/InspectJob`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    assert.equal(answer.status, 200);
    assert.equal(most, CALLS_MAX);
  } finally {
    session.destroy();
    await server.stop();
  }
});

const WATCH = {
  ":method": "POST",
  ":path": "/sheaf.api.v1.JobService/WatchJob",
  "content-type": "application/grpc",
  te: "trailers",
};

function watch(stream: ClientHttp2Stream): void {
  stream.on("error", () => {});
  stream.end(Buffer.alloc(5)); // an empty message
  stream.resume();
}
