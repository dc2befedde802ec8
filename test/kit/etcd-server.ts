/** A real etcd for a test, which is gone after it. Which program: SHEAF_ETCD_BIN, set by the bootstrap. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectOptions, connectEtcd, type Etcd, type EtcdProcess, startEtcd } from "@sheaf/etcd";
import { testLogger } from "@sheaf/runtime";
import { FaultProxy } from "./fault-proxy.ts";

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

export interface TestEtcd {
  readonly server: EtcdProcess;
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
  const start = (port: number) => startEtcd({ binary: etcdBinary(), dataDir, noFsync: true, port, log });
  let server = await start(0);
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
      server.kill();
      await server.exited;
      if (empty) await rm(dataDir, { recursive: true });
      server = await start(Number(server.address.split(":").at(-1)));
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
