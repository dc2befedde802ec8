import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { objectOf } from "@sheaf/files";
import { type dispatch, store } from "@sheaf/proto";
import { systemClock } from "@sheaf/runtime";
import { openStore, type Store } from "@sheaf/storage";
import { FakeOwner } from "./testing/fake-owner.ts";
import { commitOf, inputOf, JOB, specOf, workOf } from "./testing/job-kit.ts";
import { processesOf } from "./testing/worker-kit.ts";

const MAIN = join(import.meta.dirname, "main.ts");

function start(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): { child: ChildProcess; stderr: () => string; exit: Promise<number | null> } {
  let stderr = "";
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, SHEAF_LOG_LEVEL: "warn", ...env },
  });
  child.stderr?.on("data", (text) => {
    stderr += text;
  });
  return { child, stderr: () => stderr, exit: once(child, "close").then(([code]) => code) };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await systemClock.sleep(10);
}

/** An owner, a store, and the arguments of a worker for them. */
async function openCell() {
  const dir = mkdtempSync(join(tmpdir(), "sheaf-main-test-"));
  const url = pathToFileURL(join(dir, "store")).href;
  const source = await openStore(url);
  const owner = new FakeOwner(source);
  await owner.start();
  const data = join(dir, "scratch");
  const args = ["--pool", "edges", "--masters", owner.address, "--store", url, "--data", data, "--id", "w1"];
  const dispose = async () => {
    await owner.stop();
    await source.close();
    assert.deepEqual(processesOf(dir), []);
    rmSync(dir, { recursive: true });
  };
  return { dir, source, owner, data, args, [Symbol.asyncDispose]: dispose };
}

async function giveJob(source: Store, owner: FakeOwner, script: string): Promise<void> {
  const inputs = inputOf(await commitOf(source, { "/a": "1", "/b": "2" }));
  const spec = specOf({ cmd: ["sh", "-c", script] });
  owner.give({
    job: JOB,
    kind: store.WorkKind.PLAN,
    n: 1,
    claimSize: 1,
    input: await workOf(source, spec, { inputs }),
  });
  await owner.complete();
  const plan = objectOf((owner.taken[0] as { result: store.TableRef }).result);
  const input = await workOf(source, spec, { inputs, plan });
  owner.give({ job: JOB, kind: store.WorkKind.PROCESS, n: 2, claimSize: 2, input });
}

describe("the worker process", () => {
  it("leaves nothing alive when it is killed, and cleans up with its next life", async () => {
    await using cell = await openCell();
    const mark = `500.${process.pid}`;
    const first = start(cell.args);
    await giveJob(cell.source, cell.owner, `setsid sleep ${mark} & sleep ${mark}`);
    await until(() => processesOf(mark).length >= 2);
    first.child.kill("SIGKILL");
    await first.exit;
    await until(() => processesOf(mark).length === 0);
    assert.equal(existsSync(join(cell.data, "w1", "datums")), true);
    const second = start([...cell.args.slice(0, -1), "w2"]);
    await until(() => existsSync(join(cell.data, "w2")));
    assert.equal(existsSync(join(cell.data, "w1")), false);
    second.child.kill("SIGTERM");
    assert.equal(await second.exit, 0);
    assert.deepEqual(readdirSync(cell.data), []);
  });

  it("drains at SIGTERM and exits with 0; a second one ends it at once", async () => {
    await using cell = await openCell();
    const worker = start(cell.args);
    await giveJob(cell.source, cell.owner, "sleep 0.5; echo done >$SHEAF_OUT/x");
    // Of the datums' claim: that of the plan may have been told late.
    const runs = ({ claim, running }: dispatch.HeldPosition) => running.length > 0 && cell.owner.claims.has(claim);
    await cell.owner.until(() => cell.owner.heardOf("beat").some(({ claims }) => claims.some(runs)));
    worker.child.kill("SIGTERM");
    assert.equal(await worker.exit, 0);
    assert.equal(cell.owner.taken.length, 1);
    assert.equal(cell.owner.heard.at(-1)?.case, "leaving");

    const mark = `501.${process.pid}`;
    const stubborn = start(cell.args);
    await giveJob(cell.source, cell.owner, `trap '' TERM; sleep ${mark}`);
    await until(() => processesOf(mark).length > 0);
    const released = cell.owner.heardOf("released").length;
    stubborn.child.kill("SIGTERM");
    // It has seen the first one; what follows within half a second counts as the same (libs/runtime, E3).
    await cell.owner.until(() => cell.owner.heardOf("released").length > released);
    await systemClock.sleep(600);
    stubborn.child.kill("SIGTERM");
    assert.notEqual(await stubborn.exit, 0);
    await until(() => processesOf(mark).length === 0);
  });

  it("goes when the owner drains it", async () => {
    await using cell = await openCell();
    const worker = start(cell.args);
    await cell.owner.until(() => cell.owner.heardOf("want").length > 0);
    cell.owner.say({ case: "drain", value: { $typeName: "sheaf.dispatch.v1.Drain" } });
    assert.equal(await worker.exit, 0);
  });

  it("finishes what runs when the owner drains it, however long that takes", async () => {
    await using cell = await openCell();
    const worker = start([...cell.args, "--drain-timeout", "100ms"]);
    await giveJob(cell.source, cell.owner, "sleep 1.5; echo done >$SHEAF_OUT/x");
    const runs = ({ claim, running }: dispatch.HeldPosition) => running.length > 0 && cell.owner.claims.has(claim);
    await cell.owner.until(() => cell.owner.heardOf("beat").some(({ claims }) => claims.some(runs)));
    cell.owner.say({ case: "drain", value: { $typeName: "sheaf.dispatch.v1.Drain" } });
    assert.equal(await worker.exit, 0);
    assert.equal(cell.owner.taken.length, 1, "what ran is committed");
  });

  it("ends, and says why, when the store refuses it", async () => {
    await using cell = await openCell();
    const refusing = createServer((_request, response) => {
      response.writeHead(403, { "content-type": "application/xml" });
      response.end("<Error><Code>InvalidAccessKeyId</Code><Message>no such key</Message></Error>");
    });
    refusing.listen(0, "127.0.0.1");
    await once(refusing, "listening");
    const { port } = refusing.address() as AddressInfo;
    const url = `s3://bucket/here?endpoint=http://127.0.0.1:${port}`;
    const args = cell.args.with(cell.args.indexOf("--store") + 1, url);
    const { stderr, exit } = start(args, { AWS_ACCESS_KEY_ID: "AKIDX", AWS_SECRET_ACCESS_KEY: "secret" });
    assert.equal(await exit, 1, stderr());
    assert.match(stderr(), /refuses the access key AKIDX from the environment .*see to the key and its rights/);
    refusing.close();
    refusing.closeAllConnections();
  });

  it("says what is wrong with its settings", async () => {
    const bad = start(["--pool", "x", "--store", "ftp://x", "--data", "/tmp", "--slot", "2"]);
    assert.equal(await bad.exit, 2);
    assert.match(bad.stderr(), /--slot: is not a known flag \(did you mean "--slots"\?\)/);
    const noOwner = start(["--pool", "x", "--store", "file:///tmp/x", "--data", "/tmp/y"]);
    assert.equal(await noOwner.exit, 2);
    assert.match(noOwner.stderr(), /--masters/);
    const data = mkdtempSync(join(tmpdir(), "sheaf-main-test-"));
    const noStore = start(["--pool", "x", "--masters", "127.0.0.1:1", "--store", "ftp://x", "--data", data]);
    assert.equal(await noStore.exit, 2);
    assert.match(noStore.stderr(), /"ftp:\/\/x" is not the address of a store/);
    assert.deepEqual(readdirSync(data), []);
    rmSync(data, { recursive: true });
  });
});
