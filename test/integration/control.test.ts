// What ends or begins again by a user's word or by time: datums that are restarted, jobs that are stopped, time limits.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { Cli, type CliEnd, sheaf } from "../kit/cli.ts";
import { eventually, processesWith, TestCluster } from "../kit/cluster.ts";
import {
  assertSucceeded,
  createPipeline,
  newestJob,
  putFiles,
  readFiles,
  runPipeline,
  waitJob,
} from "../kit/pipelines.ts";

const { JobState, DatumState } = api;
let cluster: TestCluster;
let connection: Connection;

before(async () => {
  cluster = await TestCluster.start();
  connection = cluster.connection();
  await putFiles(connection, "docs", new Map(Object.entries({ "/a": "a", "/b": "b" })));
});
after(async () => {
  connection?.close();
  await cluster?.stop();
});

/** Lines that commands wrote to a file of the test's. */
function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
}

function cli(...args: string[]): Promise<CliEnd> {
  return sheaf(args, { env: { SHEAF_ADDRESS: cluster.address } });
}

const inspect = async (pipeline: string, datum: string) =>
  (await connection.client(api.DatumService).inspectDatum({ pipeline, datum })).datum ?? assert.fail();

test("datum restart: what runs is cancelled and runs again, at no cost of a try; what does not run is refused", async () => {
  const [begun, go] = [join(cluster.folder, "begun"), join(cluster.folder, "go")];
  // The first run of /a hangs, and a child of it with it.
  const script = `echo "$SHEAF_INPUT" >> ${begun}; case $SHEAF_INPUT in */a) [ -e ${go} ] || { sleep 4000.01 & sleep 4000.01; };; esac; cp "$SHEAF_INPUT" "$SHEAF_OUT"`;
  await createPipeline(connection, { name: "again", repo: "docs", glob: "/*", script, spec: { datumTries: 1 } });
  await eventually(() => linesOf(begun).length === 1, "the first datum runs");
  const waits = await cli("datum", "restart", "again", "/b");
  assert.deepEqual([waits.code, waits.stderr], [1, 'sheaf: no datum that runs now reads "/b"\n']);
  // A beat tells that it runs.
  await eventually(async () => (await inspect("again", "0")).started !== undefined, "its start is known");
  const { started } = await inspect("again", "0");
  writeFileSync(go, "");
  const restarted = await cli("datum", "restart", "again", "/a");
  assert.deepEqual([restarted.code, restarted.stdout], [0, "datum 0 (/a) begins again\n"], restarted.all);
  const job = await waitJob(connection, "again");
  assertSucceeded(job);
  const datum = await inspect("again", "0");
  assert.deepEqual([datum.state, datum.tries, datum.losses], [DatumState.SUCCESS, 1, 0]);
  assert.ok(started && datum.started && timestampMs(datum.started) > timestampMs(started));
  assert.equal(linesOf(begun).filter((line) => line.endsWith("/a")).length, 2);
  assert.deepEqual(processesWith("", "4000.01"), []);
  assert.match((await cli("datum", "restart", "again", "0")).stderr, /job \S+ has SUCCEEDED: none of its datums runs/);
});

test("progress inside a datum shows in datum inspect and in the line of job wait", async () => {
  const go = join(cluster.folder, "on");
  const script = `echo 0.25 > $SHEAF_PROGRESS; while [ ! -e ${go} ]; do sleep 0.05; done; echo x > $SHEAF_OUT/done`;
  await createPipeline(connection, { name: "long", repo: "docs", glob: "/a", script });
  const waits = new Cli(["job", "wait", "long"], { env: { SHEAF_ADDRESS: cluster.address } });
  await waits.says(/processing: 0\/1 datum.*; datum 0: 25 %\n/);
  assert.match((await cli("datum", "inspect", "long", "0")).stdout, /\nprogress: +25 %\n/);
  writeFileSync(go, "");
  assert.equal((await waits.end).code, 0);
  assert.doesNotMatch((await cli("datum", "inspect", "long", "0")).stdout, /progress/);
  assert.deepEqual([...(await readFiles(connection, "long")).keys()], ["/done"]);
});

/** Ignores SIGTERM, and leaves a daemon in a session of its own that does as well. `mark` names their processes. */
const STUBBORN = (mark: string, begun: string) =>
  `trap "" TERM; setsid sh -c 'trap "" TERM; sleep ${mark}' & echo x > "$SHEAF_OUT/half"; echo begun >> ${begun}; sleep ${mark}`;
/** SIGTERM, five seconds of grace, SIGKILL, and the way there. */
const GONE_MS = 6_000;

test("job stop: all processes are gone within 6 s, also those that ignore SIGTERM, and nothing is published", async () => {
  const begun = join(cluster.folder, "stubborn");
  const script = STUBBORN("4000.02", begun);
  await createPipeline(connection, { name: "stubborn", repo: "docs", glob: "/*", script, workers: 2 });
  await eventually(() => linesOf(begun).length === 2, "both datums run");
  assert.ok(processesWith("", "4000.02").length >= 4, "two commands, and a daemon of each");
  const { id } = await newestJob(connection, "stubborn");
  const stopped = await cli("job", "stop", "stubborn", id);
  const since = performance.now();
  assert.equal(stopped.code, 0, stopped.all);
  await eventually(() => processesWith("", "4000.02").length === 0, "the processes are gone");
  const tookMs = Math.round(performance.now() - since);
  assert.ok(tookMs <= GONE_MS, `they were gone after ${tookMs} ms`);
  assert.equal((await newestJob(connection, "stubborn")).state, JobState.STOPPED);
  await assert.rejects(readFiles(connection, "stubborn"), { code: "NOT_FOUND" });
});

test("datum_timeout costs a try, and the next one begins with nothing of it alive", async () => {
  const begun = join(cluster.folder, "slow");
  const script = `echo x >> ${begun}; [ "$(wc -l < ${begun})" -gt 1 ] || sleep 4000.04; cp "$SHEAF_INPUT" "$SHEAF_OUT"`;
  const spec = { datumTries: 2, datumTimeout: { seconds: 1n } };
  assertSucceeded(await runPipeline(connection, { name: "slow", repo: "docs", glob: "/a", script, spec }));
  const datum = await inspect("slow", "0");
  assert.deepEqual([datum.state, datum.tries, datum.losses], [DatumState.SUCCESS, 2, 0]);
  assert.deepEqual(processesWith("", "4000.04"), []);
});

test("job_timeout ends a job that many seconds after its creation, also under its next owner", async () => {
  const begun = join(cluster.folder, "late");
  const script = `echo x >> ${begun}; sleep 4000.03`;
  const seconds = 15n;
  const spec = { jobTimeout: { seconds } };
  await createPipeline(connection, { name: "late", repo: "docs", glob: "/a", script, spec });
  await eventually(() => linesOf(begun).length === 1, "its datum runs");
  await cluster.end("master", "SIGKILL");
  await cluster.run("master");
  const job = await waitJob(connection, "late");
  assert.deepEqual([job.state, job.reason], [JobState.FAILED, "JOB_TIMEOUT"]);
  assert.match(job.message, /^job_timeout of 15 s was over while it ran; nothing was published$/);
  const tookMs = timestampMs(job.finished ?? assert.fail()) - timestampMs(job.created ?? assert.fail());
  assert.ok(tookMs >= Number(seconds) * 1_000, `it ended after ${tookMs} ms`);
  await eventually(() => processesWith("", "4000.03").length === 0, "its processes are gone");
  const waited = await cli("job", "wait", "late");
  assert.equal(waited.code, 1);
  assert.match(waited.stderr, /has failed: job_timeout of 15 s was over/);
});
