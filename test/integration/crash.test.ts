// Processes are killed in the middle of a job; the result is that of an undisturbed one.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { connectEtcd, type Etcd, keysOf } from "@sheaf/etcd";
import { readRecord } from "@sheaf/ledger";
import { api, state } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { eventually, type ServiceName, TestCluster } from "../kit/cluster.ts";
import { assertSucceeded, createPipeline, newestJob, putFiles, readFiles, waitJob } from "../kit/pipelines.ts";
import { COUNT_WORDS, wordCounts, wordFiles } from "../kit/tree.ts";

const N = 120;
const files = wordFiles(N, 50);

/** Notes each execution in a file as it begins (when, and of what), counts words, takes its time. */
const SLOWLY = (notes: string) => `echo "$(date +%s%N) $SHEAF_INPUT" >> ${notes}; ${COUNT_WORDS}; sleep 0.05`;

interface Execution {
  /** By the clock that Date.now shows, in milliseconds. */
  readonly beganMs: number;
  /** In a folder that has its worker's name. */
  readonly input: string;
}

interface Running {
  readonly cluster: TestCluster;
  readonly connection: Connection;
  /** Executions so far, in the order of their begins. */
  readonly executions: () => readonly Execution[];
}

/** A job of some six seconds on two workers, a third of it done. */
async function running(): Promise<Running> {
  const cluster = await TestCluster.start({ SHEAF_SHARD_BYTES_MIN: "1KiB" });
  const connection = cluster.connection();
  const notes = join(cluster.folder, "notes");
  const executions = () => readNotes(notes);
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
  await eventually(() => executions().length >= N / 3, "a third of the datums is executed");
  return { cluster, connection, executions };
}

/** Lines of the file that are whole; none while there is no file. */
function readNotes(file: string): Execution[] {
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
  return lines.map((line) => {
    const [nanos = "", input = ""] = line.split(" ");
    return { beganMs: Number(BigInt(nanos) / 1_000n) / 1_000, input };
  });
}

async function finish(
  { cluster, connection, executions }: Running,
  mostExecutions: number,
  check: (executions: readonly Execution[]) => void = () => {},
): Promise<void> {
  try {
    assertSucceeded(await waitJob(connection, "count"));
    const result = await readFiles(connection, "count");
    assert.equal(result.get("/counts")?.toString(), wordCounts(files));
    assert.ok(executions().length <= mostExecutions, `${executions().length} executions of ${N} datums`);
    check(executions());
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

/** From the kill to the first datum of the victim's claims that begins on another worker: 2 s where there is time to spare. */
const GOES_ON_MS = 3_000;

test("SIGKILL of one of two workers: another goes on with what it held within 2 s, or 3 on a busy machine", async (t) => {
  const job = await running();
  const [victim] = job.cluster.workerPids();
  assert.ok(victim);
  const name = workerId(victim);
  const etcd = await connectEtcd({ addresses: [job.cluster.etcdAddress] });
  const killedMs = Date.now();
  process.kill(victim, "SIGKILL");
  const held = await claimsOf(name, job, etcd).finally(() => etcd.close());
  await finish(job, N + UNCUT, (executions) => {
    const begins = executions
      .filter(({ beganMs, input }) => beganMs > killedMs && !input.includes(`/${name}/`))
      .filter(({ input }) => held.some(({ start, end }) => start <= indexOf(input) && indexOf(input) < end));
    assert.ok(begins.length > 0, "nothing of what the victim held was executed by another worker");
    const afterMs = Math.round(Math.min(...begins.map(({ beganMs }) => beganMs)) - killedMs);
    t.diagnostic(`another worker went on after ${afterMs} ms`);
    assert.ok(afterMs <= GOES_ON_MS, `another worker went on after ${afterMs} ms`);
  });
});

/** What a worker holds of the job; read at once after its end, since that frees it a second later. */
async function claimsOf(worker: string, { connection }: Running, etcd: Etcd): Promise<readonly state.ClaimRecord[]> {
  const { id } = await newestJob(connection, "count");
  const { kvs } = await etcd.list(keysOf("default").claims(id, "process"));
  const claims = kvs.map((kv) => readRecord(state.ClaimRecordSchema, kv).record);
  const its = claims.filter((claim) => claim.worker === worker);
  assert.ok(its.length > 0, `worker ${worker} holds nothing`);
  return its;
}

/** Datums are ordered as their files: "00017.txt" is that of index 17. */
function indexOf(input: string): number {
  return Number.parseInt(basename(input), 10);
}

/** The name that a worker's command line gives it. */
function workerId(pid: number): string {
  const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  return words[words.indexOf("--id") + 1] ?? "";
}

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
