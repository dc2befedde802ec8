// What becomes of datums and jobs whose commands fail, as users see it: states, counters, messages, commits.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { type CliEnd, sheaf } from "../kit/cli.ts";
import { eventually, TestCluster } from "../kit/cluster.ts";
import { assertSucceeded, createPipeline, jobOf, putFiles, readFiles, runPipeline, waitJob } from "../kit/pipelines.ts";

const { JobState, DatumState } = api;
let cluster: TestCluster;
let connection: Connection;

before(async () => {
  cluster = await TestCluster.start();
  connection = cluster.connection();
  // What each file says is what becomes of it.
  await putFiles(connection, "fates", new Map(Object.entries({ "/a": "good", "/b": "odd", "/c": "bad" })));
});
after(async () => {
  connection?.close();
  await cluster?.stop();
});

/** Copies what is good; the rest fails, after it wrote half of something. */
const COPY =
  'cp "$SHEAF_INPUT" "$SHEAF_OUT/"; read -r fate < "$SHEAF_INPUT" || :; [ "$fate" = good ] || { echo "$fate" >&2; exit 3; }';

const run = (name: string, transform: { errCmd?: string[]; errStdin?: string[] }, spec = {}) =>
  runPipeline(connection, {
    name,
    repo: "fates",
    glob: "/*",
    script: COPY,
    transform,
    spec: { datumTries: 1, ...spec },
  });

function counts(job: api.Job): bigint[] {
  return [job.dataProcessed, job.dataSkipped, job.dataRecovered, job.dataFailed, job.dataTotal];
}

async function statesOf(pipeline: string): Promise<api.DatumState[]> {
  const { datums } = await connection.client(api.DatumService).listDatums({ pipeline });
  return datums.map(({ state }) => state);
}

function cli(...args: string[]): Promise<CliEnd> {
  return sheaf(args, { env: { SHEAF_ADDRESS: cluster.address } });
}

test("err_cmd that saves one of two: 1 processed, 1 recovered, 1 failed, and the job has failed", async () => {
  const failing = await run("saves-odd", { errCmd: ["sh"], errStdin: ['grep -q odd "$SHEAF_INPUT"'] });
  assert.deepEqual([failing.state, failing.reason], [JobState.FAILED, "DATUM_FAILED"]);
  assert.deepEqual(counts(failing), [1n, 0n, 1n, 1n, 3n]);
  assert.deepEqual(await statesOf("saves-odd"), [DatumState.SUCCESS, DatumState.RECOVERED, DatumState.FAILED]);
  assert.match(
    failing.message,
    /^1 datum failed: datum 2 \(\/c\): the command exited with code 3: bad; err_cmd failed as well/,
  );
  const waited = await cli("job", "wait", "saves-odd");
  assert.equal(waited.code, 1);
  assert.match(
    waited.stderr,
    /has failed: 1 of 3 datums failed, 1 was recovered; nothing was published\ndatum 2 \(\/c\) failed/,
  );
  const listed = await cli("datum", "list", "saves-odd", "--state", "failed");
  assert.match(listed.stdout, /^DATUM .*\n2 +failed .*\/c .*code 3: bad.*\n$/);
  const recovered = await cli("datum", "list", "saves-odd", "--state", "recovered");
  assert.match(recovered.stdout, /^DATUM .*\n1 +recovered +1 .*\/b .*code 3: odd\n$/);
});

test("three commits: good, then one that err_cmd saves, then one that nothing saves: 1 + 0 / 1, 0 + 1 + 1 / 2, 0 + 2 / 3", async () => {
  const put = (file: string, fate: string) => putFiles(connection, "growing", new Map([[file, fate]]));
  await put("/1", "good");
  const options = { name: "grows", repo: "growing", glob: "/*", script: COPY, spec: { datumTries: 1 } };
  const transform = { errCmd: ["sh"], errStdin: ['grep -q odd "$SHEAF_INPUT"'] };
  const jobs = [await runPipeline(connection, { ...options, transform })];
  for (const [file, fate] of [
    ["/2", "odd"],
    ["/3", "bad"],
  ] as const) {
    const commit = await put(file, fate);
    jobs.push(await jobOf(connection, "grows", commit));
  }
  const { SUCCEEDED, FAILED } = JobState;
  assert.deepEqual(
    jobs.map((job) => [job.state, ...counts(job)]),
    [
      [SUCCEEDED, 1n, 0n, 0n, 0n, 1n],
      [SUCCEEDED, 0n, 1n, 1n, 0n, 2n],
      [FAILED, 0n, 2n, 0n, 1n, 3n],
    ],
  );
  const { stdout } = await cli("job", "list", "grows");
  assert.deepEqual(stdout.match(/\d \+ \d( \+ \d)? \/ \d/g)?.toReversed(), ["1 + 0 / 1", "0 + 1 + 1 / 2", "0 + 2 / 3"]);
});

test("err_cmd that saves all: 1 processed, 2 recovered, the job has succeeded, and what failed has no output", async () => {
  const job = await run("saves-all", { errCmd: ["true"] });
  assertSucceeded(job);
  assert.deepEqual([...counts(job), job.reason], [1n, 0n, 2n, 0n, 3n, ""]);
  assert.deepEqual([...(await readFiles(connection, "saves-all")).keys()], ["/a"]);
  const waited = await cli("job", "wait", "saves-all");
  assert.equal(waited.code, 0);
  assert.match(waited.stdout, /succeeded: 3 datums.*\n2 datums failed, and err_cmd recovered them: without output\n$/);
  assert.match((await cli("job", "list", "saves-all")).stdout, /PROGRESS.*\n.* succeeded +1 \+ 0 \+ 2 \/ 3 /);
  assert.match(
    (await cli("job", "inspect", "saves-all")).stdout,
    /datums: +1 processed, 0 skipped, 2 recovered, 0 failed, of 3\n/,
  );
});

test("failure_policy: a job succeeds without datums that may fail, and job and commit say so", async () => {
  const job = await run("most", {}, { failurePolicy: { minSuccessRatio: 0.3 } });
  assertSucceeded(job);
  assert.deepEqual([...counts(job), job.reason], [1n, 0n, 0n, 2n, 3n, "DATUMS_MISSING"]);
  assert.deepEqual(await statesOf("most"), [DatumState.SUCCESS, DatumState.FAILED, DatumState.FAILED]);
  assert.deepEqual([...(await readFiles(connection, "most")).keys()], ["/a"]);
  const { commit } = await connection.client(api.RepoService).inspectCommit({ commit: { repo: "most" } });
  assert.deepEqual([commit?.datumsMissing, commit?.description], [2n, "without 2 of 3 datums, which failed"]);
  const waited = await cli("job", "wait", "most");
  assert.equal(waited.code, 0);
  assert.match(
    waited.stdout,
    /2 datums have failed and their output is missing, of 3 datums: failure_policy allows it/,
  );
  assert.match((await cli("commit", "list", "most")).stdout, /without 2 of 3 datums, which failed/);
});

test("failure_policy: one more than may fail fails the job, and nothing is published", async () => {
  const job = await run("few", {}, { failurePolicy: { maxFailed: 1n } });
  assert.deepEqual([job.state, job.reason], [JobState.FAILED, "DATUM_FAILED"]);
  assert.match(job.message, /^2 datums failed, .*; failure_policy allows 1; nothing was published/);
  await assert.rejects(readFiles(connection, "few"), { code: "NOT_FOUND" });
  const waited = await cli("job", "wait", "few");
  assert.equal(waited.code, 1);
  assert.match(waited.stderr, /2 of 3 datums failed; nothing was published\n/);
  assert.match(waited.stderr, /datum 1 \(\/b\) failed.*\n(.*\n)*datum 2 \(\/c\) failed/);
});

test("SIGKILL of the worker in the middle of err_cmd: the next one runs the command once more, and then err_cmd", async () => {
  const [ran, go] = [join(cluster.folder, "ran"), join(cluster.folder, "go")];
  const linesOf = () => (existsSync(ran) ? readFileSync(ran, "utf8").split("\n").slice(0, -1) : []);
  const errCmd = [
    "sh",
    "-c",
    `echo saving >> $SHEAF_PROGRESS; echo "err $SHEAF_FAILURE_REASON" >> ${ran}; while [ ! -e ${go} ]; do sleep 0.05; done`,
  ];
  await createPipeline(connection, {
    ...{ name: "killed", repo: "fates", glob: "/c", script: `echo cmd >> ${ran}; exit 6` },
    transform: { errCmd },
    spec: { datumTries: 2 },
  });
  const ended = waitJob(connection, "killed");
  await eventually(() => linesOf().length === 3, "err_cmd runs");
  assert.deepEqual(linesOf(), ["cmd", "cmd", "err EXIT_6"]);
  // Between its runs it is nobody's fault: the master has to know of this one, and not of the command's before it.
  const datums = connection.client(api.DatumService);
  const inspect = async () => (await datums.inspectDatum({ pipeline: "killed", datum: "0" })).datum;
  await eventually(async () => (await inspect())?.progress === "saving", "the master knows that it runs");
  for (const pid of cluster.workerPids()) process.kill(pid, "SIGKILL");
  await eventually(() => linesOf().length === 5, "err_cmd runs on the next worker");
  writeFileSync(go, "");
  const job = await ended;
  assertSucceeded(job);
  assert.deepEqual(counts(job), [0n, 0n, 1n, 0n, 1n]);
  assert.deepEqual(linesOf(), ["cmd", "cmd", "err EXIT_6", "cmd", "err EXIT_6"]);
  const datum = await inspect();
  assert.deepEqual([datum?.state, datum?.tries, datum?.losses, datum?.reason], [DatumState.RECOVERED, 2, 1, "EXIT_6"]);
});
