// Workers by demand, with real processes: from nothing to one to the limit and back, in the middle of a job as well; nothing is executed
// twice because a worker goes.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { eventually, TestCluster } from "../kit/cluster.ts";
import {
  assertSucceeded,
  createPipeline,
  jobOf,
  newestJob,
  putFiles,
  updatePipeline,
  waitJob,
} from "../kit/pipelines.ts";
import { isTerminal } from "../kit/tree.ts";

/** From the commit to the worker that is asked for, and from the plan to the others. */
const FIRST_ASKED_MS = 500;
const OTHERS_ASKED_MS = 1_500;
/** From the end of its last datum to the end of the process. */
const IDLE_GONE_MS = 10_000;

let cluster: TestCluster;
let connection: Connection;
before(async () => {
  // A drain that its owner asks for does not end with this.
  cluster = await TestCluster.start({ SHEAF_DRAIN_TIMEOUT: "100ms" });
  connection = cluster.connection();
});
after(async () => {
  connection.close();
  await cluster.stop();
});

const scaled = (limit: number) => ({ autoscaling: true, parallelismSpec: { constant: BigInt(limit) } });
const datums = (count: number, salt = "") =>
  new Map(Array.from({ length: count }, (_, i): [string, string] => [`/f${i}`, `${salt}${i}`]));

/** Ids of the workers that live. A process that one is about to start still looks like it, so processes are not counted. */
function workers(of: TestCluster = cluster): Set<string> {
  const lines = of.workerPids().map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    } catch {
      return []; // it is gone
    }
  });
  // Between the two looks it may have become another program.
  const ids = lines.map((line) => (line.includes("--id") ? line[line.indexOf("--id") + 1] : undefined));
  return new Set(ids.filter((id) => id !== undefined));
}

/** Undefined: nobody owns the pipeline yet. */
async function poolOf(name: string, from: Connection = connection): Promise<api.WorkerPool | undefined> {
  const { pipeline } = await from.client(api.PipelineService).inspectPipeline({ name });
  return pipeline?.pool;
}

async function poolWhen(name: string, isSo: (pool: api.WorkerPool) => boolean, what: string): Promise<api.WorkerPool> {
  let pool: api.WorkerPool | undefined;
  await eventually(async () => {
    pool = await poolOf(name);
    return pool !== undefined && isSo(pool);
  }, `${name}: ${what}`).catch((error: unknown) => {
    throw new Error(`${JSON.stringify({ ...pool, $typeName: undefined })}`, { cause: error });
  });
  return pool ?? assert.fail();
}

/** What the commands of a pipeline note: the datum of each that begins. Those that are not let go run until they are. */
class Gate {
  readonly #notes: string;
  readonly #open: string;

  constructor(name: string, folder = cluster.folder) {
    this.#notes = join(folder, `${name}.notes`);
    this.#open = join(folder, `${name}.open`);
    writeFileSync(this.#notes, "");
  }

  /** A script that waits where `pattern` matches the input. */
  script(pattern = "*"): string {
    const wait = `while [ ! -e ${this.#open} ]; do sleep 0.05; done`;
    return `echo "$SHEAF_INPUT" >> ${this.#notes}; case $SHEAF_INPUT in ${pattern}) ${wait};; esac; cp "$SHEAF_INPUT" "$SHEAF_OUT/"`;
  }

  open(): void {
    writeFileSync(this.#open, "");
  }

  get begun(): string[] {
    return readFileSync(this.#notes, "utf8").split("\n").slice(0, -1);
  }
}

for (const [count, most] of [
  [1, 1],
  [3, 3],
  [8, 4],
] as const) {
  test(`${count} datums with a limit of 4 run on ${most} workers; there was none before, and there is none after`, async (t) => {
    const name = `oracle-${count}`;
    const gate = new Gate(name);
    await connection.client(api.RepoService).createRepo({ name: `${name}-in` });
    await createPipeline(connection, { name, repo: `${name}-in`, glob: "/*", script: gate.script(), spec: scaled(4) });
    assert.equal((await poolWhen(name, ({ reason }) => reason !== "", "it is looked at")).reason, "nothing to do");
    assert.equal(workers().size, 0);

    const seen: number[] = [0];
    const commit = await putFiles(connection, `${name}-in`, datums(count));
    const committed = performance.now();
    await poolWhen(name, ({ running }) => running > 0, "a worker is asked for");
    const firstMs = performance.now() - committed;
    await waitJob(connection, name, ({ state }) => state >= api.JobState.PROCESSING);
    const planned = performance.now();
    await poolWhen(name, ({ running }) => running === most, "all are asked for");
    const othersMs = performance.now() - planned;
    await poolWhen(name, ({ ready }) => ready === most, "all are here");
    assert.equal(workers().size, most);
    const { wanted, limit, reason } = (await poolOf(name)) ?? assert.fail();
    assert.deepEqual([wanted, limit], [most, 4]);
    assert.match(reason, new RegExp(`^${count} datums? to do`));
    await eventually(() => gate.begun.length >= most, "each of them runs a datum");
    t.diagnostic(
      `asked for the first worker after ${firstMs.toFixed(0)} ms, for the others after ${othersMs.toFixed(0)} ms`,
    );
    assert.ok(firstMs <= FIRST_ASKED_MS, `${firstMs} ms`);
    assert.ok(othersMs <= OTHERS_ASKED_MS, `${othersMs} ms`);

    gate.open();
    assertSucceeded(await jobOf(connection, name, commit));
    await eventually(() => {
      seen.push(workers().size);
      return seen.at(-1) === 0;
    }, "all workers are gone");
    assert.equal((await poolOf(name))?.reason, "nothing to do");
    assert.equal(gate.begun.length, count, "nothing was executed twice");
    assert.ok(Math.max(...seen) <= most);
  });
}

test("idle workers go while one straggler runs, nothing is executed twice, and a second job has others started", async (t) => {
  const name = "straggler";
  const gate = new Gate(name);
  await putFiles(connection, "straggler-in", datums(8));
  await createPipeline(connection, {
    name,
    repo: "straggler-in",
    glob: "/*",
    script: gate.script("*/f3"),
    spec: scaled(4),
  });
  await waitJob(connection, name, ({ dataProcessed }) => dataProcessed === 7n);
  const idle = performance.now();
  await eventually(() => workers().size === 1, "only the straggler's worker is left");
  const goneMs = performance.now() - idle;
  t.diagnostic(`the idle ones were gone ${goneMs.toFixed(0)} ms after the last datum but one was done`);
  assert.ok(goneMs <= IDLE_GONE_MS, `${goneMs} ms`);
  assert.ok(!isTerminal((await newestJob(connection, name)).state), "the straggler still runs");
  assert.equal((await poolOf(name))?.wanted, 1);

  const second = await putFiles(connection, "straggler-in", datums(8, "again-"));
  await poolWhen(name, ({ running }) => running === 4, "the second job has the others started");
  const most: number[] = [];
  const ended = jobOf(connection, name, second);
  await eventually(async () => {
    most.push(workers().size);
    const { jobs } = await connection.client(api.JobService).listJobs({ pipeline: name });
    return jobs.some(
      ({ inputs, dataProcessed, dataTotal }) =>
        inputs[0]?.commit === second.id && dataTotal > 0n && dataProcessed >= 7n,
    );
  }, "the second job has done what it can");
  assert.ok(Math.max(...most) <= 4, `${Math.max(...most)} workers at a time`);
  gate.open();
  assertSucceeded(await ended);
  assert.equal(gate.begun.length, 16, "nothing was executed twice");
  await eventually(() => workers().size === 0, "all workers are gone");
});

test("a plan that waits behind a datum on a busy worker goes to the worker that comes for it", async () => {
  const name = "behind";
  const gate = new Gate(name);
  const options = { name, repo: "behind-in", glob: "/*", script: gate.script("*/a*") };
  const spec = { ...scaled(3), speculation: false };
  await connection.client(api.RepoService).createRepo({ name: "behind-in" });
  await createPipeline(connection, { ...options, spec });
  await putFiles(
    connection,
    "behind-in",
    new Map([
      ["/a0", "0"],
      ["/a1", "1"],
    ]),
  );
  await eventually(() => gate.begun.length === 2, "both datums of the first job run");
  const second = await putFiles(connection, "behind-in", new Map([["/b0", "0"]]), ["/a0", "/a1"]);
  await eventually(() => gate.begun.length === 3, "the datum of the second job runs beside them");
  gate.open();
  // Jobs publish in order.
  assertSucceeded(await jobOf(connection, name, second));
  const { jobs } = await connection.client(api.JobService).listJobs({ pipeline: name });
  for (const job of jobs) assertSucceeded(job);
  assert.equal(jobs.length, 2);
  await poolWhen(name, ({ running }) => running === 0, "all go");
});

test("a worker that is drained in the middle of a datum finishes and commits it", async () => {
  const name = "fewer";
  const gate = new Gate(name);
  await putFiles(connection, "fewer-in", datums(12));
  const options = { name, repo: "fewer-in", glob: "/*", script: `${gate.script("none")}; sleep 1` };
  await createPipeline(connection, { ...options, workers: 3 });
  await eventually(() => gate.begun.length >= 3, "three workers run something");
  await updatePipeline(connection, { ...options, workers: 1 });
  await poolWhen(name, ({ running, draining }) => running === 1 && draining > 0, "two are told to go");
  await eventually(() => workers().size === 1, "they are gone");
  assertSucceeded(await waitJob(connection, name));
  assert.equal(gate.begun.length, 12, "nothing was executed twice");
  assert.equal(new Set(gate.begun).size, 12);
  await connection.client(api.PipelineService).stopPipeline({ name });
  await eventually(() => workers().size === 0, "a stopped pipeline has no workers");
});

test("a worker that somebody names finishes its datum and goes, and another takes its place: nothing runs twice", async () => {
  const name = "named";
  const gate = new Gate(name);
  await putFiles(connection, "named-in", datums(12));
  const script = `${gate.script("*/f0")}; sleep 0.1`;
  const spec = { speculation: false }; // a second copy of the first datum would be one that runs twice
  await createPipeline(connection, { name, repo: "named-in", glob: "/*", script, spec });
  await eventually(() => gate.begun.length === 1, "the first datum runs");
  const client = connection.client(api.ClusterService);
  const list = async () => (await client.listWorkers({ pipeline: name })).workers;
  const [first] = await list();
  assert.ok(first && !first.draining);
  const { worker } = await client.drainWorker({ pipeline: name, worker: first.id.slice(0, 8) });
  assert.deepEqual([worker?.id, worker?.draining], [first.id, true]);
  await waitJob(connection, name, ({ dataProcessed }) => dataProcessed === 11n);
  assert.deepEqual(
    (await list()).map(({ id, draining }) => [id === first.id, draining]).sort(),
    [
      [false, false],
      [true, true],
    ],
    "the other has done all that the first gave back",
  );
  gate.open();
  assertSucceeded(await waitJob(connection, name));
  assert.equal(gate.begun.length, 12, "nothing was executed twice");
  await eventually(async () => (await list()).length === 1, "it is gone");
  await assert.rejects(client.drainWorker({ pipeline: name, worker: first.id }), { reason: "WORKER_NOT_FOUND" });
  await connection.client(api.PipelineService).stopPipeline({ name });
  await eventually(() => workers().size === 0, "a stopped pipeline has no workers");
});

for (const [signal, moment] of [
  ["SIGTERM", "when its workers were just asked for"],
  ["SIGKILL", "in the middle of the job"],
] as const) {
  test(`another master takes over after ${signal} ${moment}: nobody is started twice, nothing is executed twice`, async () => {
    const two = await TestCluster.startMany({ masters: 2 });
    const connections = { master: two.connection("master"), "master-2": two.connection("master-2") };
    try {
      const gate = new Gate("taken", two.folder);
      await putFiles(connections.master, "in", datums(9));
      const seen = new Set<string>();
      let most = 0;
      const look = () => {
        const now = workers(two);
        for (const id of now) seen.add(id);
        most = Math.max(most, now.size);
        return now.size;
      };
      const options = {
        name: "taken",
        repo: "in",
        glob: "/*",
        script: `${gate.script("none")}; sleep 2`,
        spec: scaled(3),
      };
      await createPipeline(connections.master, options);
      if (signal === "SIGKILL")
        await eventually(() => look() === 3 && gate.begun.length >= 3, "three workers run something");
      else
        await eventually(async () => (await poolOf("taken", connections.master))?.running === 3, "three are asked for");
      await eventually(() => look() > 0, "one is there");
      look();
      // The one that started them: its data folder is on their command lines.
      const started = two.workerPids().map((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8"));
      const owner = started.some((line) => line.includes(join(two.folder, "data-2"))) ? "master-2" : "master";
      const other = owner === "master" ? "master-2" : "master";
      const over = waitJob(connections[other], "taken").then((job) => ({ job }));
      const ending = two.end(owner, signal);
      const ended = { job: undefined as api.Job | undefined };
      void over.then(({ job }) => (ended.job = job)).catch(() => {});
      await eventually(() => {
        look();
        return ended.job !== undefined;
      }, "the job is over");
      await ending;
      assertSucceeded((await over).job);
      assert.ok(most <= 3, `${most} workers at a time`);
      assert.equal(seen.size, 3, "three in all");
      assert.equal(gate.begun.length, 9, "nothing was executed twice");
      // They are not the children of the master that tells them to go.
      await eventually(() => look() === 0, "all workers are gone");
    } finally {
      for (const each of Object.values(connections)) each.close();
      await two.stop();
    }
  });
}
