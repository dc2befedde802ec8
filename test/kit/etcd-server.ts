/** A real etcd for a test, which is gone after it. Which program: SHEAF_ETCD_BIN, set by the bootstrap. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectOptions, connectEtcd, type Etcd } from "@sheaf/etcd";
import { type StartEtcdOptions, startEtcd } from "@sheaf/provision";
import { systemClock, testLogger } from "@sheaf/runtime";
import { FaultProxy } from "./fault-proxy.ts";

/** How long a test's etcd may take to end, in milliseconds. */
const STOP_MS = 5_000;

/** What ends something at the end of a test: `after` of node:test, or of a test's context. */
export type After = (fn: () => Promise<void>) => void;

export function etcdBinary(): string {
  const binary = process.env.SHEAF_ETCD_BIN;
  assert.ok(binary, "SHEAF_ETCD_BIN is not set: run the tests with `npm test`, or set it to an etcd");
  return binary;
}

/** A folder that is deleted at the end. */
export async function temporaryFolder(after: After): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sheaf-test-"));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface EtcdServer {
  /** "127.0.0.1:PORT". */
  readonly address: string;
  readonly pid: number;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves when it is gone. */
  stop(): Promise<void>;
}

/** An etcd that answers: the one of a local cluster, without fsync. */
export async function startEtcdServer(
  dataDir: string,
  options: Partial<Pick<StartEtcdOptions, "port" | "quotaBytes">> = {},
): Promise<EtcdServer> {
  const shared = { binary: etcdBinary(), env: process.env, noFsync: true, log: testLogger(), clock: systemClock };
  const { address, child, ready } = await startEtcd({ ...shared, dataDir, ...options });
  await ready;
  return {
    address,
    pid: child.pid,
    kill: async () => {
      process.kill(child.pid, "SIGKILL");
      await child.exited;
    },
    stop: () => child.stop(STOP_MS),
  };
}

export interface TestEtcd {
  readonly server: EtcdServer;
  /** SIGKILL, then a new start on the same port: on the same data, or on none, as if a backup were restored. */
  restart(options?: { readonly empty?: boolean }): Promise<void>;
  /** A client of its own, closed at the end; `addresses` default to the server's. */
  connect(options?: Partial<ConnectOptions>): Promise<Etcd>;
  /** A bad network before it. */
  proxy(): Promise<FaultProxy>;
}

/** Starts etcd; at the end of the test everything that was opened here is closed, the newest first. */
export async function startTestEtcd(after: After): Promise<TestEtcd> {
  const ends: (() => Promise<void>)[] = [];
  after(async () => {
    for (const end of ends.reverse()) await end();
  });
  const dataDir = await mkdtemp(join(tmpdir(), "sheaf-etcd-"));
  ends.push(() => rm(dataDir, { recursive: true, force: true }));
  const log = testLogger();
  let server = await startEtcdServer(dataDir);
  ends.push(async () => {
    const { pid } = server;
    // A test may have left it frozen.
    process.kill(pid, "SIGCONT");
    await server.stop();
    assert.throws(() => process.kill(pid, 0), "the test's etcd still runs");
  });
  return {
    get server() {
      return server;
    },
    async restart({ empty = false } = {}) {
      await server.kill();
      if (empty) await rm(dataDir, { recursive: true });
      server = await startEtcdServer(dataDir, { port: Number(server.address.split(":").at(-1)) });
    },
    async connect(options = {}) {
      const client = await connectEtcd({ addresses: [server.address], log, ...options });
      ends.push(() => client.close());
      return client;
    },
    async proxy() {
      const proxy = await FaultProxy.before(server.address);
      ends.push(() => proxy.close());
      return proxy;
    },
  };
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (value: Uint8Array | undefined): string =>
  value === undefined ? "" : Buffer.from(value).toString();
