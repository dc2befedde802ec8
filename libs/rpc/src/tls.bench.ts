/** What TLS costs, in CPU time of both ends in one process: pairs of runs, plain and TLS in turn, medians. */
import { api, dispatch } from "@sheaf/proto";
import { testLogger } from "@sheaf/runtime";
import { grpcConnection } from "./grpc-client.ts";
import { serveGrpc } from "./grpc-server.ts";
import { implement } from "./mount.ts";
import { publicConnection } from "./public-client.ts";
import { servePublic } from "./public-server.ts";
import { echo, serviceTls, testCertificates, testTokens } from "./tls.test-kit.ts";

const ROUNDS = 5;
const certificates = await testCertificates("bench");
const tls = await certificates.tls("master");
const { tokens, tokenOf } = await testTokens();
const base = { log: testLogger(), host: "127.0.0.1", port: 0 };
const jobs = implement(api.JobService, { inspectJob: async () => ({ job: { id: "j", pipeline: "p" } }) });
const address = (port: number) => `127.0.0.1:${port}`;

async function cpu(fn: () => Promise<void>, count: number): Promise<number> {
  const before = process.cpuUsage();
  await fn();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

async function unary(isSecure: boolean): Promise<number> {
  const server = servePublic({ ...base, services: [jobs], ...(isSecure && { tls, tokens }) });
  await server.start();
  const token = tokenOf.get("viewer");
  const secure = isSecure && token && { tls: { kind: "user", ca: certificates.ca } as const, token };
  const connection = publicConnection(address(server.address.port), { ...secure });
  const client = connection.client(api.JobService);
  const many = async (count: number) => {
    for (let i = 0; i < count; i++) await client.inspectJob({});
  };
  await many(300);
  const spent = await cpu(() => many(1_500), 1_500);
  connection.close();
  await server.stop();
  return spent;
}

async function session(isSecure: boolean): Promise<number> {
  const server = serveGrpc({ ...base, services: [echo], ...(isSecure && { tls }) });
  await server.start();
  const secure = isSecure ? { tls: await serviceTls(certificates, "worker") } : {};
  const connection = grpcConnection(address(server.address.port), secure);
  const stream = connection.client(dispatch.DispatchService).session();
  const messages = stream.messages[Symbol.asyncIterator]();
  const many = async (count: number) => {
    for (let i = 0; i < count; i++) {
      await stream.write({ message: { case: "hello", value: {} } });
      await messages.next();
    }
  };
  await many(500);
  const spent = await cpu(() => many(4_000), 4_000);
  connection.close();
  await server.stop();
  return spent;
}

/** A connection, one call on it, and its end. */
async function connecting(isSecure: boolean): Promise<number> {
  const server = serveGrpc({ ...base, services: [echo], ...(isSecure && { tls }) });
  await server.start();
  const secure = isSecure ? { tls: await serviceTls(certificates, "worker") } : {};
  const one = async () => {
    const connection = grpcConnection(address(server.address.port), secure);
    await connection.connected();
    connection.close();
  };
  const many = async (count: number) => {
    for (let i = 0; i < count; i++) await one();
  };
  await many(20);
  const spent = await cpu(() => many(100), 100);
  await server.stop();
  return spent;
}

for (const [name, run] of Object.entries({
  "unary call": unary,
  "session message and answer": session,
  connection: connecting,
})) {
  const plain: number[] = [];
  const secure: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    plain.push(await run(false));
    secure.push(await run(true));
  }
  const [p, s] = [median(plain), median(secure)];
  console.log(`${name}: ${p.toFixed(0)} µs of CPU in plain text, ${s.toFixed(0)} in TLS (${(s / p).toFixed(2)} times)`);
}
await tokens.stop();

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
