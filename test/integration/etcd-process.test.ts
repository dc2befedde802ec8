/** startEtcd: keeps its data, dies with its parent, and says what is wrong in one line. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { connectEtcd, startEtcd } from "@sheaf/etcd";
import { systemClock, testLogger } from "@sheaf/runtime";
import { bytes, etcdBinary, temporaryFolder } from "../kit/etcd-server.ts";

const binary = etcdBinary();
const log = testLogger();
const folder = () => temporaryFolder(after);

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test("it keeps its data over a stop and over a kill, on another port too", async () => {
  const dataDir = join(await folder(), "etcd");
  for (const [i, end] of (["stop", "kill", "stop"] as const).entries()) {
    const etcd = await startEtcd({ binary, dataDir, log });
    const client = await connectEtcd({ addresses: [etcd.address] });
    const { kvs } = await client.list("/");
    assert.equal(kvs.length, i);
    const then = [{ put: `/${i}`, value: bytes("v") }];
    assert.equal((await client.txn({ compare: [], then })).kind, "applied");
    await client.close();
    await etcd[end]();
    await etcd.exited;
    await etcd.stop();
    assert.ok(!lives(etcd.pid));
  }
});

test("it dies with a parent that is killed", async () => {
  const dataDir = await folder();
  const script = join(dataDir, "parent.mjs");
  const door = import.meta.resolve("@sheaf/etcd");
  const options = JSON.stringify({ binary, dataDir: join(dataDir, "etcd"), noFsync: true });
  await writeFile(
    script,
    `const { startEtcd } = await import(${JSON.stringify(door)});
     const log = { debug() {}, warn() {}, info() {}, error() {}, child() { return log; } };
     const etcd = await startEtcd({ ...${options}, log });
     process.stdout.write(String(etcd.pid) + "\\n");
     setInterval(() => {}, 1000);`,
  );
  const parent = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  const pid = Number(line.toString());
  assert.ok(lives(pid));
  parent.kill("SIGKILL");
  await once(parent, "exit");
  while (lives(pid)) await systemClock.sleep(10);
});

test("no program: NOT_FOUND with the path and what to do", async () => {
  const dataDir = await folder();
  await assert.rejects(startEtcd({ binary: "/nowhere/etcd", dataDir, log }), {
    code: "NOT_FOUND",
    message: /no etcd program at \/nowhere\/etcd: run `npm run setup`, or set SHEAF_ETCD_BIN/,
  });
});

test("a program that is too old: its version, and which would do", async () => {
  const dataDir = await folder();
  const old = join(dataDir, "old-etcd");
  await writeFile(old, '#!/bin/sh\n[ "$1" = --version ] && echo "etcd Version: 3.4.23"\nexit 2\n');
  await chmod(old, 0o755);
  await assert.rejects(startEtcd({ binary: old, dataDir, log }), {
    code: "FAILED_PRECONDITION",
    reason: "ETCD_TOO_OLD",
    message: /3\.4\.23 .* use 3\.6\.14/,
  });
});

test("a port that is in use: which", async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  assert.ok(typeof bound === "object" && bound !== null);
  const dataDir = await folder();
  await assert.rejects(startEtcd({ binary, dataDir, port: bound.port, log }), {
    reason: "PORT_IN_USE",
    message: new RegExp(`port ${bound.port} on 127\\.0\\.0\\.1 is in use`),
  });
  server.close();
});

test("a folder that cannot be made: which, and why", async () => {
  const file = join(await folder(), "file");
  await writeFile(file, "");
  await assert.rejects(startEtcd({ binary, dataDir: join(file, "etcd"), log }), {
    code: "PERMISSION_DENIED",
    message: /cannot write to .*\/file\/etcd \(.*ENOTDIR/,
  });
});

test("a folder that another etcd has: refused in bounded time, and the other one goes on", async () => {
  const dataDir = await folder();
  const first = await startEtcd({ binary, dataDir, noFsync: true, log });
  await assert.rejects(startEtcd({ binary, dataDir, noFsync: true, log }), {
    reason: "ETCD_DATA_DIR_IN_USE",
  });
  const client = await connectEtcd({ addresses: [first.address] });
  assert.equal(await client.get("/a"), null);
  await client.close();
  await first.stop();
});

test("anything else: the end of etcd's own log", async () => {
  const dataDir = await folder();
  await mkdir(join(dataDir, "data"), { mode: 0o700 });
  await writeFile(join(dataDir, "data", "member"), "not a folder");
  await assert.rejects(startEtcd({ binary, dataDir, log }), {
    code: "UNAVAILABLE",
    message: /etcd did not start on .*etcd\.log: .*not a directory/,
  });
});
