// The examples of services: one that reacts to the end of its jobs, and one that feeds a repo exactly once though it is killed.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect, type SheafClient } from "@sheaf/client";
import { eventually, TestCluster } from "../kit/cluster.ts";
import { FaultProxy } from "../kit/fault-proxy.ts";
import { cannotRun, commandOf } from "./driver.ts";

const EXAMPLES = join(import.meta.dirname, "..", "..", "examples", "services");
const skip = cannotRun("python") ?? false;
const ROUNDS = 3;

let cluster: TestCluster;
let client: SheafClient;
let root: string;

before(async () => {
  root = mkdtempSync(join(tmpdir(), "sheaf-services-"));
  cluster = await TestCluster.start();
  client = connect(cluster.address);
});
after(async () => {
  client?.close();
  await cluster?.stop();
  rmSync(root, { recursive: true, force: true });
});

/** A program of the examples, and what it has said. */
class Program {
  readonly child: ChildProcess;
  said = "";

  constructor(file: string, args: readonly string[], address: string) {
    const { command, env } = commandOf("python", join(EXAMPLES, file));
    const [python = "", program = ""] = command;
    const options = { env: { ...env, SHEAF_ADDRESS: address }, stdio: ["ignore", "pipe", "pipe"] as const };
    this.child = spawn(python, [program, ...args], { ...options, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on("data", (text) => {
        this.said += text;
      });
  }

  says(pattern: RegExp): Promise<void> {
    return eventually(() => {
      assert.equal(this.child.exitCode, null, this.said);
      return pattern.test(this.said);
    }, `${pattern} is said`);
  }

  async kill(): Promise<void> {
    const over = new Promise((resolve) => this.child.once("close", resolve));
    this.child.kill("SIGKILL");
    await over;
  }
}

/** What the service says of a job. */
interface Result {
  readonly state: string;
  readonly counts?: Record<string, number>;
}

test("a service submits jobs and reacts to their ends", { skip }, async () => {
  const service = new Program("counter.py", ["0"], cluster.address);
  try {
    await service.says(/listening on/);
    const address = `http://127.0.0.1:${/:(\d+)/.exec(service.said)?.[1]}`;
    const post = (name: string, body: string) => fetch(`${address}/texts/${name}`, { method: "POST", body });
    const resultOf = async (answer: Response) => {
      assert.equal(answer.status, 202, service.said);
      const { job } = (await answer.json()) as { job: string };
      let result: Result = { state: "" };
      await eventually(async () => {
        result = (await (await fetch(`${address}/jobs/${job}`)).json()) as Result;
        return result.state !== "running";
      }, "the service knows how the job ended");
      return result;
    };
    assert.deepEqual(await resultOf(await post("one", "to be or not to be")), {
      state: "succeeded",
      counts: { be: 2, not: 1, or: 1, to: 2 },
    });
    assert.deepEqual((await resultOf(await post("two", "be"))).counts, { be: 3, not: 1, or: 1, to: 2 });
    assert.equal((await post("a//b", "x")).status, 404);
    assert.equal((await fetch(`${address}/jobs/none`)).status, 404);
  } finally {
    await service.kill();
  }
});

test("a feeder that is killed before it hears the answer puts each line once", { skip }, async () => {
  const proxy = await FaultProxy.before(cluster.address);
  const log = join(root, "app.log");
  const start = () => new Program("feeder.py", [log, "lines", join(root, "state")], proxy.address);
  const commits = async () => {
    let count = 0;
    for await (const _ of client.commits({ repo: "lines" })) count++;
    return count;
  };
  let wanted = "";
  const grow = (round: string) => {
    const lines = Array.from({ length: 50 }, (_, i) => `${round} ${i}\n`).join("");
    wanted += lines;
    appendFileSync(log, lines);
  };
  writeFileSync(log, "");
  let feeder = start();
  grow("first");
  await feeder.says(/bytes 0 to/);
  for (let round = 1; round <= ROUNDS; round++) {
    await proxy.set("drop-responses");
    grow(`round ${round}`);
    // The commit is there, and nobody told the feeder.
    await eventually(async () => (await commits()) === 1 + round, "the batch is committed");
    await feeder.kill();
    await proxy.set("pass");
    feeder = start();
    await feeder.says(/are in lines/); // of the batch that it found written down
  }
  grow("last");
  await eventually(async () => (await commits()) === 2 + ROUNDS, "the last batch is committed");
  await feeder.says(new RegExp(`to ${wanted.length} are in`));
  await feeder.kill();
  await proxy.close();
  let found = "";
  for await (const { path } of client.files({ commit: { repo: "lines" } }))
    for await (const piece of client.readFile({ repo: "lines" }, path)) found += Buffer.from(piece).toString();
  assert.equal(found, wanted);
  assert.equal(await commits(), 2 + ROUNDS);
});
