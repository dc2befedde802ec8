import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { systemClock, testLogger } from "@sheaf/runtime";
import { startEtcd } from "./etcd-process.ts";
import { freePorts } from "./ports.ts";

describe("startEtcd()", () => {
  let dir: string;
  const options = () => ({
    dataDir: dir,
    env: process.env,
    log: testLogger(),
    clock: systemClock,
    noFsync: true,
  });

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "sheaf-etcd-"));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  /** A program in place of etcd. */
  const program = async (text: string) => {
    const file = join(dir, "etcd-program");
    await writeFile(file, text);
    await chmod(file, 0o755);
    return file;
  };

  it("answers on the port it was given, stops, and starts again on its data", async () => {
    const [port = 0] = await freePorts(1);
    for (let i = 0; i < 2; i++) {
      const etcd = await startEtcd({ ...options(), port });
      assert.equal(etcd.address, `127.0.0.1:${port}`);
      await etcd.ready;
      const page = await fetch(`http://${etcd.address}/health`);
      assert.equal(((await page.json()) as { health: string }).health, "true");
      await etcd.child.stop(5_000);
    }
  });

  it("says where it looked when there is none", async () => {
    const none = startEtcd({ ...options(), env: { PATH: dir } });
    await assert.rejects(none, {
      reason: "ETCD_MISSING",
      message: /SHEAF_ETCD_BIN nor PATH .*`npm run setup`/,
    });
    const wrong = startEtcd({ ...options(), env: { SHEAF_ETCD_BIN: join(dir, "no-etcd") } });
    await assert.rejects(wrong, { reason: "ETCD_MISSING", message: /no-etcd/ });
  });

  it("refuses a version that loses leases, and stops it", async () => {
    const binary = await program(`#!${process.execPath}
const port = Number(process.argv.find((arg) => arg.startsWith("--listen-client-urls")).split(":").at(-1));
require("node:http").createServer((_, answer) => answer.end('{"etcdserver":"3.4.23","health":"true"}')).listen(port);`);
    const etcd = await startEtcd({ ...options(), binary });
    await assert.rejects(etcd.ready, { reason: "ETCD_TOO_OLD", message: /3\.4\.23.*3\.6\.14/ });
    await etcd.child.exited;
  });

  it("shows the end of its log when it does not start", async () => {
    const etcd = await startEtcd({
      ...options(),
      binary: await program("#!/bin/sh\necho 'bad weather' >&2; exit 7\n"),
    });
    await assert.rejects(etcd.ready, {
      code: "UNAVAILABLE",
      message: /exit code 7.*etcd\.log: bad weather$/,
    });
  });

  it("names the port that is in use, and the folder that cannot be written", async (t) => {
    const server = createServer();
    t.after(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    assert.ok(address !== null && typeof address === "object");
    await assert.rejects(startEtcd({ ...options(), port: address.port }), {
      reason: "PORT_IN_USE",
      message: new RegExp(`port ${address.port} `),
    });
    await writeFile(join(dir, "file"), "");
    await assert.rejects(startEtcd({ ...options(), dataDir: join(dir, "file") }), {
      reason: "DATA_DIR_NOT_WRITABLE",
      message: /\/file\/etcd/,
    });
  });
});
