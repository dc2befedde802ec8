/** Certificates for tests: real ones, of clusters that are made for the test, in folders that are gone after it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { type Files, issue, newBundle, writeFolder } from "@sheaf/certificates";
import {
  formatLine,
  type KeptTls,
  newToken,
  openTls,
  type PeerRole,
  peerUri,
  Tokens,
  USER_ROLES,
} from "@sheaf/identity";
import { dispatch } from "@sheaf/proto";
import { Secret, systemClock, systemRandom, testLogger } from "@sheaf/runtime";
import type { ClientTls } from "./client-tls.ts";
import { grpcConnection } from "./grpc-client.ts";
import { implement } from "./mount.ts";
import type { RpcServer } from "./rpc-server.ts";

const deps = { log: testLogger(), clock: systemClock };

export interface TestCertificates {
  readonly cluster: string;
  readonly folder: string;
  readonly files: Files;
  /** As a service of that role. */
  tls(role: PeerRole): Promise<KeptTls>;
  /** PEM. */
  readonly ca: Buffer;
}

export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sheaf-tls-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** `signedBy`: the authority of another cluster signs this one's certificates. */
export async function testCertificates(cluster: string, signedBy?: TestCertificates): Promise<TestCertificates> {
  const folder = testFolder();
  const now = systemClock.wall();
  const files = new Map(await newBundle({ cluster, now }));
  const authority = signedBy?.files ?? files;
  const [certificate, key] = [authority.get("ca.crt")?.reveal() ?? "", authority.get("ca.key") ?? new Secret("")];
  files.set("ca.crt", new Secret(certificate));
  for (const role of ["master", "merge", "worker", "client"] as const) {
    const wanted = { name: role, uris: [peerUri({ cluster, role })], hosts: ["127.0.0.1"], now, lifeMs: 3_600_000 };
    const made = await issue({ certificate, key }, wanted);
    files.set(`${role}.crt`, new Secret(made.certificate));
    files.set(`${role}.key`, made.key);
  }
  await writeFolder(folder, files);
  const path = (name: string) => join(folder, name);
  return {
    cluster,
    folder,
    files,
    ca: Buffer.from(certificate),
    tls: (role) =>
      openTls({ cert: path(`${role}.crt`), key: path(`${role}.key`), ca: path("ca.crt") }, { role, cluster }, deps),
  };
}

export async function openTokens(path: string): Promise<Tokens> {
  const tokens = await Tokens.open(path, deps);
  after(() => tokens.stop());
  return tokens;
}

/** One service calls masters and merge replicas. */
export async function serviceTls(from: TestCertificates, role: PeerRole) {
  return { kind: "service", own: await from.tls(role), servers: ["master", "merge"] as PeerRole[] } as const;
}

export const plain = { services: [], log: testLogger(), host: "127.0.0.1", port: 0 };

/** Answers each Hello of a session with a Beat. */
export const echo = implement(dispatch.DispatchService, {
  session: async (stream) => {
    for await (const message of stream.messages) {
      if (message.message.case === "hello") await stream.write({ message: { case: "beat", value: {} } });
    }
  },
});

/** Its address; it is gone after the test. */
export async function serving(server: RpcServer): Promise<string> {
  await server.start();
  after(() => server.stop());
  return `127.0.0.1:${server.address.port}`;
}

/** A token for each role, good for an hour. */
export async function testTokens() {
  const file = join(testFolder(), "tokens");
  const tokenOf = new Map<string, Secret<string>>();
  const lines = USER_ROLES.map((role) => {
    const { token, line } = newToken({ name: role, role, expires: systemClock.wall() + 3_600_000 }, systemRandom);
    tokenOf.set(role, token);
    return formatLine(line);
  });
  writeFileSync(file, lines.join("\n"));
  return { tokens: await openTokens(file), tokenOf };
}

/** Opens a session and waits for its first answer. */
export async function session(address: string, tls?: ClientTls) {
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
