// Datums that are unchanged since an earlier job are not run again, and the result is the same bytes.

import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { seededRandom } from "@sheaf/runtime";
import { TestCluster } from "../kit/cluster.ts";
import {
  assertSucceeded,
  createPipeline,
  jobOf,
  putFiles,
  readFiles,
  updatePipeline,
  waitJob,
} from "../kit/pipelines.ts";
import type { Tree } from "../kit/tree.ts";

let cluster: TestCluster;
let connection: Connection;

before(async () => {
  cluster = await TestCluster.start({ SHEAF_SHARD_BYTES_MIN: "1KiB" });
  connection = cluster.connection();
});
after(async () => {
  connection?.close();
  await cluster?.stop();
});

/** A script that notes what it is run on, and what was since the last look. */
function noted(name: string, work: string) {
  const notes = join(cluster.folder, `notes-${name}`);
  const executed = (): string[] => {
    const lines = existsSync(notes) ? readFileSync(notes, "utf8").split("\n").slice(0, -1) : [];
    rmSync(notes, { force: true });
    return lines.sort();
  };
  return { script: `echo "\${SHEAF_INPUT##*/}" >> ${notes}\n${work}`, executed };
}

/** "1 + 2 / 3": processed, skipped and all datums. */
const progress = ({ dataProcessed, dataSkipped, dataTotal }: api.Job) =>
  `${dataProcessed} + ${dataSkipped} / ${dataTotal}`;

const tree = (files: Record<string, string>): Tree => new Map(Object.entries(files));
const textOf = (files: ReadonlyMap<string, Buffer>) =>
  Object.fromEntries([...files].map(([path, b]) => [path, `${b}`]));

async function runPipeline(name: string): Promise<api.Job> {
  const { job } = await connection.client(api.PipelineService).runPipeline({ name });
  return waitJob(connection, name, ({ id, finished }) => id === job?.id && finished !== undefined);
}

test("only what has changed is run; what is gone is gone; logs are kept", async () => {
  const { script, executed } = noted(
    "copy",
    'cp "$SHEAF_INPUT" "$SHEAF_OUT"; cat "$SHEAF_INPUT" >"$SHEAF_OUT/all"; echo "hello"',
  );
  const options = { name: "copy", repo: "in", glob: "/*", script, workers: 2 };
  const first = await putFiles(connection, "in", tree({ "/a": "a1 ", "/b": "b1 " }));
  await createPipeline(connection, options);
  const done = await jobOf(connection, "copy", first);
  assertSucceeded(done);
  assert.equal(progress(done), "2 + 0 / 2");
  assert.deepEqual(executed(), ["a", "b"]);

  const second = await jobOf(connection, "copy", await putFiles(connection, "in", tree({ "/b": "b2 ", "/c": "c2 " })));
  assertSucceeded(second);
  assert.equal(progress(second), "2 + 1 / 3");
  assert.deepEqual(executed(), ["b", "c"]);
  assert.deepEqual(textOf(await readFiles(connection, "copy")), {
    "/a": "a1 ",
    "/all": "a1 b2 c2 ",
    "/b": "b2 ",
    "/c": "c2 ",
  });

  // What was skipped is skipped again: one job back is enough. What was there two jobs ago is run.
  const third = await jobOf(connection, "copy", await putFiles(connection, "in", tree({ "/b": "b1 " }), ["/c"]));
  assertSucceeded(third);
  assert.equal(progress(third), "1 + 1 / 2");
  assert.deepEqual(executed(), ["b"]);
  assert.deepEqual(textOf(await readFiles(connection, "copy")), { "/a": "a1 ", "/all": "a1 b1 ", "/b": "b1 " });

  const datums = connection.client(api.DatumService);
  const skipped = await datums.listDatums({ pipeline: "copy", states: [api.DatumState.SKIPPED] });
  assert.deepEqual(
    skipped.datums.map(({ index, tries, inputs }) => [index, tries, inputs]),
    [[0n, 0, ["/a"]]],
  );
  const lines: string[] = [];
  for await (const part of datums.getLogs({ pipeline: "copy", datum: "0" })) {
    lines.push(...part.lines.map(({ text }) => Buffer.from(text).toString()));
  }
  assert.deepEqual(lines, ["hello"]);

  assert.equal(progress(await runPipeline("copy")), "0 + 2 / 2");
  await updatePipeline(connection, { ...options, workers: 1, glob: "/{a,b}" });
  assert.equal(progress(await runPipeline("copy")), "0 + 2 / 2");
  await updatePipeline(connection, { ...options, spec: { salt: "2" } });
  assert.equal(progress(await runPipeline("copy")), "2 + 0 / 2");
  await updatePipeline(connection, { ...options, script: `${script}; true`, spec: { salt: "2" } });
  assert.equal(progress(await runPipeline("copy")), "2 + 0 / 2");
  await updatePipeline(connection, {
    ...options,
    script: `${script}; true`,
    spec: { salt: "2", reprocessSpec: "every_job" },
  });
  assert.equal(progress(await runPipeline("copy")), "2 + 0 / 2");
  assert.equal(executed().length, 6);
});

test("what a failed job has finished is not run again; what failed is", async () => {
  const { script, executed } = noted("strict", 'grep -q good "$SHEAF_INPUT" && cp "$SHEAF_INPUT" "$SHEAF_OUT"');
  const first = await putFiles(connection, "marks", tree({ "/a": "good", "/b": "bad", "/c": "good" }));
  await createPipeline(connection, { name: "strict", repo: "marks", glob: "/*", script, spec: { datumTries: 1 } });
  const failed = await jobOf(connection, "strict", first);
  assert.equal(failed.state, api.JobState.FAILED);
  assert.deepEqual(executed(), ["a", "b", "c"]);
  const again = await jobOf(connection, "strict", await putFiles(connection, "marks", tree({ "/d": "good" })));
  assert.equal(again.state, api.JobState.FAILED);
  assert.equal(progress(again), "1 + 2 / 4");
  assert.deepEqual(executed(), ["b", "d"]);
  const mended = await jobOf(connection, "strict", await putFiles(connection, "marks", tree({ "/b": "good now" })));
  assertSucceeded(mended);
  assert.equal(progress(mended), "1 + 3 / 4");
  assert.deepEqual(executed(), ["b"]);
  assert.deepEqual(textOf(await readFiles(connection, "strict")), {
    "/a": "good",
    "/b": "good now",
    "/c": "good",
    "/d": "good",
  });
});

test("workers and master are killed while a job plans and skips: it skips all the same, whatever the next owner finds", async () => {
  const { script, executed } = noted("killed", 'cp "$SHEAF_INPUT" "$SHEAF_OUT"');
  const files = new Map(Array.from({ length: 200 }, (_, i) => [`/${1_000 + i}`, `${i}`]));
  const first = await putFiles(connection, "many", files);
  const options = { name: "killed", repo: "many", glob: "/*", script, workers: 2 };
  await createPipeline(connection, { ...options, spec: { speculation: false } });
  assertSucceeded(await jobOf(connection, "killed", first));
  assert.equal(executed().length, 200);
  const killWorkers = async () => {
    for (const pid of cluster.workerPids()) process.kill(pid, "SIGKILL");
  };
  const killMaster = async () => {
    await cluster.end("master");
    await cluster.run("master");
  };
  const troubles = [
    [api.JobState.PLANNING, killWorkers],
    [api.JobState.PROCESSING, killWorkers],
    [api.JobState.PLANNING, killMaster],
    [api.JobState.PROCESSING, killMaster],
  ] as const;
  for (const [round, [state, kill]] of troubles.entries()) {
    const path = `/new-${round}`;
    const commit = await putFiles(connection, "many", tree({ [path]: "x" }));
    await waitJob(connection, "killed", (job) => job.inputs[0]?.commit === commit.id && job.state >= state);
    await kill();
    const job = await jobOf(connection, "killed", commit);
    assertSucceeded(job);
    assert.equal(progress(job), `1 + ${200 + round} / ${201 + round}`);
    assert.deepEqual(new Set(executed()), new Set([path.slice(1)]));
  }
  const result = textOf(await readFiles(connection, "killed"));
  assert.equal(Object.keys(result).length, 204);
  for (const [path, text] of files) assert.equal(result[path], text);
});

/**
 * Every file says where its text goes, so that a path moves from one datum to another when files change. "bad" files fail their datum
 * and with it the job: what follows borrows from it all the same.
 */
const ROUTE = `read -r to text < "$SHEAF_INPUT"
test "$to" != bad || exit 1
mkdir -p "$SHEAF_OUT/d"
echo "$text" >> "$SHEAF_OUT/d/$to"
echo "$text" >> "$SHEAF_OUT/all"
printf '%s\\t1\\n' "$to" > "$SHEAF_OUT/sums"`;

function routed(input: ReadonlyMap<string, string>): Record<string, string> {
  const files = new Map<string, string>();
  const counts = new Map<string, number>();
  for (const [, content] of [...input].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [to = "", text = ""] = content.trim().split(" ");
    for (const path of [`/d/${to}`, "/all"]) files.set(path, `${files.get(path) ?? ""}${text}\n`);
    counts.set(to, (counts.get(to) ?? 0) + 1);
  }
  const lines = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, count]) => `${key}\t${count}\n`);
  if (lines.length > 0) files.set("/sums", lines.join(""));
  return Object.fromEntries([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What the next job finds: the last that succeeded, and the newest three after it that did not but had done something. */
function borrowed(jobs: readonly { readonly succeeded: boolean; readonly done: ReadonlySet<string> }[]): Set<string> {
  const last = jobs.findLastIndex(({ succeeded }) => succeeded);
  const failed = jobs.slice(last + 1).filter(({ done }) => done.size > 0);
  return new Set([...failed.slice(-3), ...jobs.slice(last, last + 1)].flatMap(({ done }) => [...done]));
}

test("over random edits the result is that of a job which runs everything, and only what is new is run", async () => {
  const random = seededRandom(Number(process.env.SHEAF_TEST_SEED ?? 20_261_126));
  const merge = { rules: [{ glob: "/sums", strategy: api.MergeStrategy.SUM }] } as api.MergeSpec;
  const skipping = noted("skipping", ROUTE);
  const everything = noted("everything", ROUTE);
  const options = { repo: "edits", glob: "/*", workers: 2 };
  // A second copy of a straggler would be one that runs twice.
  const spec = { merge, datumTries: 1, speculation: false };
  const input = new Map<string, string>();
  /** What each job had done in the end, oldest first. */
  const jobs: { readonly succeeded: boolean; readonly done: ReadonlySet<string> }[] = [];
  const name = () => `/f${random.int(12)}`;
  const content = (round: number) =>
    `${random.int(12) === 0 ? "bad" : `p${random.int(4)}`} t${round}-${random.int(9)}\n`;
  for (let round = 0; round < 12; round++) {
    const puts = new Map(
      Array.from({ length: round === 0 ? 10 : 1 + random.int(3) }, () => [name(), content(round)] as const),
    );
    const bad = [...input].filter(([, text]) => text.startsWith("bad")).map(([path]) => path);
    // A job in two is allowed to fail again for the same reason.
    const deletes = [...(random.int(2) === 0 ? bad : []), ...(random.int(2) === 0 ? [name()] : [])];
    for (const path of deletes) input.delete(path);
    for (const [path, text] of puts) input.set(path, text);
    const commit = await putFiles(connection, "edits", puts, deletes);
    if (round === 0) {
      await createPipeline(connection, { ...options, name: "skipping", script: skipping.script, spec });
      await createPipeline(connection, {
        ...options,
        name: "everything",
        script: everything.script,
        spec: { ...spec, reprocessSpec: "every_job" },
      });
    }
    const [ours, theirs] = await Promise.all([
      jobOf(connection, "skipping", commit),
      jobOf(connection, "everything", commit),
    ]);
    const isBad = [...input.values()].some((text) => text.startsWith("bad"));
    assert.equal(ours.state, isBad ? api.JobState.FAILED : api.JobState.SUCCEEDED, ours.message);
    assert.equal(theirs.state, ours.state);
    assert.equal(theirs.dataSkipped, 0n);
    const datum = ([path, text]: [string, string]) => `${path} ${text}`;
    const done = borrowed(jobs);
    const expected = [...input].filter((each) => !done.has(datum(each))).map(([path]) => path.slice(1));
    assert.deepEqual(skipping.executed(), expected.sort(), `round ${round}`);
    assert.equal(Number(ours.dataSkipped), input.size - expected.length);
    const now = [...input].filter(([, text]) => !text.startsWith("bad")).map(datum);
    jobs.push({ succeeded: !isBad, done: new Set(now) });
    if (isBad) continue;
    const result = textOf(await readFiles(connection, "skipping", ours.outputCommit));
    assert.deepEqual(result, routed(input), `round ${round}`);
    assert.deepEqual(textOf(await readFiles(connection, "everything", theirs.outputCommit)), result);
  }
});
