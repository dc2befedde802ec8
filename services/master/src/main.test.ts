// The master as a process: how it starts, what keeps it from starting, how it goes.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { connectEtcd, type Etcd, keysOf } from "@sheaf/etcd";
import { api } from "@sheaf/proto";
import { compileCache, startEtcd } from "@sheaf/provision";
import { publicConnection } from "@sheaf/rpc";
import { systemClock, testLogger } from "@sheaf/runtime";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
const log = testLogger();
let folder: string;
let etcd: Etcd;
let etcdAddress: string;
let stopEtcd: () => Promise<void>;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sheaf-master-main-"));
  const binary = process.env["SHEAF_ETCD_BIN"];
  assert.ok(binary, "SHEAF_ETCD_BIN must name an etcd: npm run setup finds one");
  const server = await startEtcd({
    binary,
    env: process.env,
    dataDir: join(folder, "etcd"),
    noFsync: true,
    log,
    clock: systemClock,
  });
  await server.ready;
  etcd = await connectEtcd({ addresses: [server.address], log });
  etcdAddress = server.address;
  stopEtcd = () => etcd.close().then(() => server.child.stop(5_000));
});
after(async () => {
  await stopEtcd();
  await rm(folder, { recursive: true });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(...args: string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: compileCache(process.env), SHEAF_LOG_LEVEL: "error" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout?.on("data", (bytes) => {
    stdout += bytes;
  });
  child.stderr?.on("data", (bytes) => {
    stderr += bytes;
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return { child, ended };
}

const flags = (more: Record<string, string> = {}) =>
  Object.entries({
    etcd: etcdAddress,
    store: `file://${join(folder, "store")}`,
    data: join(folder, "data"),
    listen: "127.0.0.1:0",
    "dispatch-listen": "127.0.0.1:0",
    ...more,
  }).flatMap(([name, value]) => [`--${name}`, value]);

describe("sheaf-master", () => {
  it("says where it serves, serves, and hands everything over when it is told to stop", async () => {
    const { child, ended } = start(...flags({ cluster: "main" }));
    assert.ok(child.stdout);
    const [line] = await once(createInterface({ input: child.stdout }), "line");
    const ready = JSON.parse(line as string);
    assert.deepEqual(Object.keys(ready), ["ready", "address", "dispatch"]);

    const connection = publicConnection(ready.address);
    const seen = await connection.client(api.ClusterService).inspectCluster({});
    assert.deepEqual(
      seen.replicas.map((each) => each.address),
      [ready.dispatch],
    );
    await connection.client(api.RepoService).createRepo({ name: "in" });
    const spec = {
      pipeline: { name: "words" },
      transform: { cmd: ["true"] },
      input: { pfs: { repo: "in", glob: "/*" } },
    };
    await connection.client(api.PipelineService).createPipeline({ spec });
    // Answered by the owner: so it owns the pipeline.
    await connection.client(api.PipelineService).runPipeline({ name: "words" });
    connection.close();

    const keys = keysOf("main");
    assert.equal((await etcd.list(keys.owners())).kvs.length, 1);
    child.kill("SIGTERM");
    const { code, stderr } = await ended;
    assert.deepEqual([code, stderr], [0, ""]);
    assert.equal((await etcd.list(keys.owners())).kvs.length, 0, "its owner keys are gone at once");
    assert.equal((await etcd.list(keys.masters())).kvs.length, 0, "and so is its own");
  });

  it("shows help with its settings", async () => {
    const { code, stdout } = await start("--help").ended;
    assert.equal(code, 0);
    for (const flag of ["--etcd", "--store", "--listen", "--dispatch-listen", "--data", "SHEAF_ETCD"]) {
      assert.ok(stdout.includes(flag), flag);
    }
  });

  it("refuses flags that it does not know, and names all that is missing", async () => {
    const { code, stderr } = await start("--ectd", "127.0.0.1:1").ended;
    assert.equal(code, 2);
    assert.match(stderr, /--ectd.*--etcd/s);
    assert.match(stderr, /--store: is required/);
    assert.ok(!stderr.includes("    at "), "no stack trace");
  });

  it("says which port is in use", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const address = taken.address();
    assert.ok(typeof address === "object" && address !== null);
    const listen = `127.0.0.1:${address.port}`;
    const { code, stderr } = await start(...flags({ listen, cluster: "port" })).ended;
    taken.close();
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`${address.port}.*in use`));
    assert.equal((await etcd.list(keysOf("port").root)).kvs.length, 0, "it leaves nothing behind");
  });

  it("says which etcd it cannot reach, and how long it tried", { timeout: 30_000 }, async () => {
    const { code, stderr } = await start(...flags({ etcd: "127.0.0.1:1" })).ended;
    assert.equal(code, 3);
    assert.match(stderr, /127\.0\.0\.1:1.*tried for [\d.]+ s/);
    assert.ok(!stderr.includes("    at "), "no stack trace");
  });

  it("says that its store is none", async () => {
    const { code, stderr } = await start(...flags({ store: "/no/scheme" })).ended;
    assert.equal(code, 2);
    assert.match(stderr, /file:\/\/\//);
  });
});
