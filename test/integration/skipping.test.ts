// Datums that are unchanged since an earlier job are not run again, and the result is the same bytes.

import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
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
    'cat "$SHEAF_INPUT" | tee -a "$SHEAF_OUT/all" >"$SHEAF_OUT/${SHEAF_INPUT##*/}"; echo "hello"',
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
  await updatePipeline(connection, { ...options, more: { salt: "2" } });
  assert.equal(progress(await runPipeline("copy")), "2 + 0 / 2");
  await updatePipeline(connection, { ...options, script: `${script}; true`, more: { salt: "2" } });
  assert.equal(progress(await runPipeline("copy")), "2 + 0 / 2");
  await updatePipeline(connection, {
    ...options,
    script: `${script}; true`,
    more: { salt: "2", reprocessSpec: "every_job" },
  });
  assert.equal(progress(await runPipeline("copy")), "2 + 0 / 2");
  assert.equal(executed().length, 6);
});

test("what a failed job has finished is not run again; what failed is", async () => {
  const { script, executed } = noted("strict", 'grep -q good "$SHEAF_INPUT" && cp "$SHEAF_INPUT" "$SHEAF_OUT"');
  const first = await putFiles(connection, "marks", tree({ "/a": "good", "/b": "bad", "/c": "good" }));
  await createPipeline(connection, { name: "strict", repo: "marks", glob: "/*", script, more: { datumTries: 1 } });
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
