/** With a real etcd, and shell scripts in place of the services. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { access, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { systemClock, systemRandom, testLogger } from "@sheaf/runtime";
import { lockDir } from "./dir-lock.ts";
import { LocalCluster, type LocalClusterOptions } from "./local-cluster.ts";
import { isAlive, type ProcessRecord, readRecord } from "./process-record.ts";

/** Says that it is ready, and runs until SIGTERM. $0 is its name. */
const SERVICE = `trap 'exit 0' TERM; echo "$0 $*" >&2; echo '{"ready":true,"address":"x:1"}'; while :; do sleep 0.02; done`;
/** Does not hear SIGTERM; starts a worker of its own that does not either. */
const STUBBORN = `trap '' TERM; echo '{"ready":true}'; while :; do sleep 0.02; done`;
const BROKEN = `echo "sheaf-master: cannot write to the store /x: no space" >&2; exit 1`;

const shell = (script: string, name: string) => ["/bin/sh", "-c", script, name];

describe("LocalCluster", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "sheaf-cluster-"));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const options = (more: Partial<LocalClusterOptions> = {}): LocalClusterOptions => ({
    dataDir: join(dir, "data"),
    env: process.env,
    programs: { master: shell(SERVICE, "master"), merge: shell(SERVICE, "merge") },
    log: testLogger(),
    clock: systemClock,
    random: systemRandom,
    ...more,
  });

  const records = async (): Promise<Map<string, ProcessRecord>> => {
    const found = new Map<string, ProcessRecord>();
    const folder = join(dir, "data", "processes");
    for (const name of await readdir(folder).catch(() => [])) {
      const record = await readRecord(join(folder, name));
      if (record !== undefined) found.set(name.replace(".stat", ""), record);
    }
    return found;
  };
  const allGone = (all: Map<string, ProcessRecord>) => [...all.values()].every((record) => !isAlive(record));

  it("starts all three, says where they are, and stops them", async () => {
    const cluster = new LocalCluster(options());
    const info = await cluster.start();
    const all = await records();
    assert.deepEqual([...all.keys()].sort(), ["etcd", "master", "merge", "watcher"]);
    const state = JSON.parse(await readFile(join(info.dataDir, "cluster.json"), "utf8")) as Record<string, unknown>;
    assert.deepEqual([state.address, state.pid], [info.address, process.pid]);
    assert.equal((await fetch(`http://${info.etcd}/health`)).status, 200);
    const flags = await readFile(join(info.dataDir, "logs", "master.log"), "utf8");
    assert.match(
      flags,
      new RegExp(`--etcd ${info.etcd} --store file://${info.dataDir}/store .*--listen ${info.address}`),
    );
    await Promise.all([cluster.stop(), cluster.stop()]);
    assert.ok(allGone(all));
    await assert.rejects(access(join(info.dataDir, "cluster.json")));
    await (await lockDir(info.dataDir, systemRandom)).release();
  });

  it("starts a service again that was killed, on the same ports, and leaves the others alone", async () => {
    const restarted = Promise.withResolvers<string>();
    const cluster = new LocalCluster(options({ onRestart: ({ name, why }) => restarted.resolve(`${name}: ${why}`) }));
    await cluster.start();
    const before = await records();
    process.kill(before.get("master")?.pid ?? 0, "SIGKILL");
    assert.equal(await restarted.promise, "master: it ended with signal SIGKILL");
    let after = await records();
    while (after.get("master")?.pid === before.get("master")?.pid) {
      await systemClock.sleep(10);
      after = await records();
    }
    assert.equal(after.get("etcd")?.pid, before.get("etcd")?.pid);
    assert.equal(after.get("merge")?.pid, before.get("merge")?.pid);
    const said = async () => (await readFile(join(dir, "data", "logs", "master.log"), "utf8")).trim().split("\n");
    let lines = await said();
    for (; lines.length < 2; lines = await said()) await systemClock.sleep(10);
    assert.equal(lines[0], lines[1]);
    await cluster.stop();
    assert.ok(allGone(after));
  });

  it("ends what does not hear within the grace", async () => {
    const cluster = new LocalCluster(
      options({ programs: { master: shell(STUBBORN, "m"), merge: shell(STUBBORN, "n") } }),
    );
    await cluster.start();
    const all = await records();
    const begun = systemClock.now();
    await cluster.stop({ graceMs: 300 });
    assert.ok(systemClock.now() - begun < 2_000);
    assert.ok(allGone(all));
  });

  it("gives a service's own words when it does not start, and leaves nothing", async () => {
    const cluster = new LocalCluster(options({ programs: { master: shell(BROKEN, "m"), merge: shell(SERVICE, "n") } }));
    await assert.rejects(cluster.start(), {
      code: "UNAVAILABLE",
      message: "master did not start: cannot write to the store /x: no space",
    });
    assert.ok(allGone(await records()));
    await (await lockDir(join(dir, "data"), systemRandom)).release();
  });

  it("can be stopped at any moment of its start", async () => {
    for (const ms of [0, 5, 20, 60, 150]) {
      const cluster = new LocalCluster(options());
      const started = cluster.start().catch(() => {});
      await systemClock.sleep(ms);
      const all = await records();
      await cluster.stop({ graceMs: 500 });
      await started;
      assert.ok(allGone(all), `after ${ms} ms`);
      assert.ok(allGone(await records()), `after ${ms} ms`);
      await (await lockDir(join(dir, "data"), systemRandom)).release();
    }
  });

  it("is one per data folder", async () => {
    const cluster = new LocalCluster(options());
    await cluster.start();
    await assert.rejects(new LocalCluster(options()).start(), { reason: "DATA_DIR_IN_USE" });
    assert.ok(!allGone(await records()), "the second took the first one down");
    await cluster.stop();
  });

  it("removes the folder of a cluster that is thrown away", async () => {
    const cluster = new LocalCluster(options({ ephemeral: true }));
    await cluster.start();
    await cluster.stop({ graceMs: 0 });
    await assert.rejects(access(join(dir, "data")));
  });

  for (const ephemeral of [false, true]) {
    it(`leaves no process behind when its starter is killed${ephemeral ? ", and no folder" : ""}`, async () => {
      const starter = join(dir, "starter.mjs");
      const url = (path: string) => JSON.stringify(pathToFileURL(join(import.meta.dirname, path)).href);
      await writeFile(
        starter,
        `import { LocalCluster } from ${url("local-cluster.ts")};
         import { localProvisioner } from ${url("local-provisioner.ts")};
         import { systemClock as clock, systemRandom as random, testLogger } from ${url("../../runtime/src/index.ts")};
         const shell = (script) => ["/bin/sh", "-c", script, "x"];
         const service = ${JSON.stringify(STUBBORN)};
         const dataDir = ${JSON.stringify(join(dir, "data"))};
         const base = { dataDir, env: process.env, log: testLogger(), clock };
         await new LocalCluster({ ...base, random, ephemeral: ${ephemeral},
           programs: { master: shell(service), merge: shell(service) } }).start();
         const workers = localProvisioner({ ...base, workerProgram: { argv: shell(service) } });
         await workers.create("p", { id: "w1", slots: 1, masters: [], mergers: [], store: "" });
         console.log("started");`,
      );
      const child = spawn(process.execPath, [starter], { stdio: ["ignore", "pipe", "inherit"] });
      await new Promise((resolve) => child.stdout.once("data", resolve));
      const all = await records();
      let worker: ProcessRecord | undefined;
      while (worker === undefined) worker = await readRecord(join(dir, "data", "workers", "w1.stat"));
      all.set("worker", worker);
      assert.equal(all.size, 5);
      child.kill("SIGKILL");
      while (!allGone(all)) await systemClock.sleep(10);
      if (ephemeral) while ((await readdir(dir)).includes("data")) await systemClock.sleep(10);
      else {
        const next = new LocalCluster(options());
        await next.start();
        await next.stop();
      }
    });
  }
});
