import assert from "node:assert/strict";
import { connect as connectSocket } from "node:net";
import { it } from "node:test";
import { api } from "@sheaf/proto";
import { testLogger } from "@sheaf/runtime";
import { implement } from "./mount.ts";
import { publicConnection } from "./public-client.ts";
import { servePublic } from "./public-server.ts";
import { failureOf } from "./server.suite.ts";

/** Makes messages of a megabyte until its call is over. */
function flood() {
  const ended = Promise.withResolvers<number>();
  let made = 0;
  async function* watchJob() {
    try {
      for (;;) yield { job: { message: "x".repeat(1024 * 1024), dataTotal: BigInt(made++) } };
    } finally {
      ended.resolve(made);
    }
  }
  const services = [implement(api.JobService, { watchJob })];
  return {
    server: servePublic({ host: "127.0.0.1", port: 0, services, log: testLogger(), unreadMs: 300 }),
    ended: ended.promise,
  };
}

it("96 a caller that does not read is cut, over HTTP/2", async () => {
  const { server, ended } = flood();
  await server.start();
  const connection = publicConnection(`127.0.0.1:${server.address.port}`);
  try {
    const answers = connection.client(api.JobService).watchJob({})[Symbol.asyncIterator]();
    await answers.next(); // and then no more
    assert.ok((await ended) < 20, "a bounded number of messages lay in the connection");
    const rest = async () => {
      for (let next = await answers.next(); next.done !== true; ) next = await answers.next();
    };
    assert.equal((await failureOf(rest())).reason, "NOT_READ");
  } finally {
    connection.close();
    await server.stop();
  }
});

it("96 a caller that does not read is cut, over HTTP/1.1", async () => {
  const { server, ended } = flood();
  await server.start();
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const socket = connectSocket(server.address.port, "127.0.0.1", () => {
    const body = Buffer.from([0, 0, 0, 0, 2, 0x7b, 0x7d]);
    socket.write(
      `POST /sheaf.api.v1.JobService/WatchJob HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+json\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    socket.write(body);
  });
  socket.pause();
  socket.on("error", () => {});
  socket.once("close", () => resolve());
  await ended;
  socket.resume();
  await closed;
  await server.stop();
});
