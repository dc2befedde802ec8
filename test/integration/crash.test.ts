// Processes are killed in the middle of a job; the result is that of an undisturbed one.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { eventually, type ServiceName, TestCluster } from "../kit/cluster.ts";
import { assertSucceeded, createPipeline, putFiles, readFiles, waitJob } from "../kit/pipelines.ts";
import { COUNT_WORDS, wordCounts, wordFiles } from "../kit/tree.ts";

const N = 120;
const files = wordFiles(N, 50);

/** Counts words, takes its time, and notes each execution in a file. */
const SLOWLY = (notes: string) => `${COUNT_WORDS}; echo "$SHEAF_INPUT" >> ${notes}; sleep 0.05`;

interface Running {
  readonly cluster: TestCluster;
  readonly connection: Connection;
  /** Executions so far. */
  readonly executions: () => number;
}

/** A job of some six seconds on two workers, a third of it done. */
async function running(): Promise<Running> {
  const cluster = await TestCluster.start({ SHEAF_SHARD_BYTES_MIN: "1KiB" });
  const connection = cluster.connection();
  const notes = join(cluster.folder, "notes");
  const executions = () => {
    try {
      return readFileSync(notes, "utf8").split("\n").length - 1;
    } catch {
      return 0;
    }
  };
  await putFiles(connection, "docs", files);
  const script = SLOWLY(notes);
  await createPipeline(connection, {
    name: "count",
    repo: "docs",
    glob: "/docs/*",
    script,
    workers: 2,
    merge: api.MergeStrategy.SUM,
  });
  await eventually(() => executions() >= N / 3, "a third of the datums is executed");
  return { cluster, connection, executions };
}

async function finish({ cluster, connection, executions }: Running, mostExecutions: number): Promise<void> {
  try {
    assertSucceeded(await waitJob(connection, "count"));
    const result = await readFiles(connection, "count");
    assert.equal(result.get("/counts")?.toString(), wordCounts(files));
    assert.ok(executions() <= mostExecutions, `${executions()} executions of ${N} datums`);
  } finally {
    connection.close();
    await cluster.stop();
  }
}

/** Datums that one worker may lose: a second of work that is not cut yet, and those in its hands. */
const UNCUT = 30;

test("SIGKILL of one of two workers: only what it had not committed is executed twice", async () => {
  const job = await running();
  const [victim] = job.cluster.workerPids();
  assert.ok(victim);
  process.kill(victim, "SIGKILL");
  await finish(job, N + UNCUT);
});

for (const name of ["master", "merge"] satisfies ServiceName[]) {
  test(`SIGKILL and restart of the ${name}`, async () => {
    const job = await running();
    await job.cluster.end(name, "SIGKILL");
    await job.cluster.run(name);
    await finish(job, N + 2 * UNCUT);
  });
}

test("SIGKILL of etcd, and its restart with its data", async () => {
  const job = await running();
  await job.cluster.end("etcd", "SIGKILL");
  await job.cluster.run("etcd");
  await finish(job, N + 2 * UNCUT);
});

test("SIGKILL of everything, and a restart", async () => {
  const job = await running();
  const { cluster } = job;
  for (const pid of cluster.workerPids()) process.kill(pid, "SIGKILL");
  await Promise.all((["master", "merge", "etcd"] as const).map((name) => cluster.end(name, "SIGKILL")));
  await cluster.run("etcd");
  await Promise.all([cluster.run("master"), cluster.run("merge")]);
  await finish(job, N + 2 * UNCUT);
});
