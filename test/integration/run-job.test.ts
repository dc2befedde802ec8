// From glob to merged output, with real processes: the result is the same bytes whatever the number of workers and shards.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { TestCluster } from "../kit/cluster.ts";
import { assertSucceeded, putFiles, readFiles, runPipeline } from "../kit/pipelines.ts";
import { COUNT_WORDS, wordCounts, wordFiles } from "../kit/tree.ts";

let cluster: TestCluster;
let connection: Connection;
const files = wordFiles(60, 400);

before(async () => {
  // Small shards, so that a small result is cut over all workers.
  cluster = await TestCluster.start({ SHEAF_SHARD_BYTES_MIN: "1KiB" });
  connection = cluster.connection();
  await putFiles(connection, "docs", files);
});
after(async () => {
  connection?.close();
  await cluster?.stop();
});

for (const workers of [1, 2, 4]) {
  test(`sum: ${workers} workers count words, and merge one big file by key`, async () => {
    const name = `count-${workers}`;
    const merge = api.MergeStrategy.SUM;
    const job = await runPipeline(connection, {
      name,
      repo: "docs",
      glob: "/docs/*.txt",
      script: COUNT_WORDS,
      workers,
      merge,
    });
    assertSucceeded(job);
    assert.equal(job.dataTotal, 60n);
    assert.equal(job.dataProcessed, 60n);
    if (workers > 1) assert.ok(job.shardsTotal >= workers, `${job.shardsTotal} shards for ${workers} workers`);
    const result = await readFiles(connection, name);
    assert.deepEqual([...result.keys()], ["/counts"]);
    assert.equal(result.get("/counts")?.toString(), wordCounts(files));
  });

  test(`concat: ${workers} workers write one path, in datum order, and paths of their own`, async () => {
    const name = `concat-${workers}`;
    const script = `name=$(basename "$SHEAF_INPUT"); cp "$SHEAF_INPUT" "$SHEAF_OUT/$name"; echo "$name" >> "$SHEAF_OUT/all"`;
    assertSucceeded(await runPipeline(connection, { name, repo: "docs", glob: "/docs/*", script, workers }));
    const result = await readFiles(connection, name);
    const names = [...files.keys()].map((path) => path.slice("/docs/".length));
    assert.equal(result.get("/all")?.toString(), names.map((one) => `${one}\n`).join(""));
    for (const [path, content] of files) assert.equal(result.get(path.slice("/docs".length))?.toString(), content);
    assert.equal(result.size, files.size + 1);
  });
}

test("exclusive: a path that two datums write fails the job, and both are named", async () => {
  const merge = api.MergeStrategy.EXCLUSIVE;
  const script = `echo x > "$SHEAF_OUT/same"`;
  const job = await runPipeline(connection, {
    name: "twice",
    repo: "docs",
    glob: "/docs/*",
    script,
    workers: 2,
    merge,
  });
  assert.equal(job.state, api.JobState.FAILED);
  assert.match(job.message, /datums 0 and 1 both wrote \/same/);
  await assert.rejects(readFiles(connection, "twice"), { code: "NOT_FOUND" });
});

test("a file where another datum has a folder fails the job, and both are named", async () => {
  const script = `case "$SHEAF_INPUT" in *00003.txt) mkdir "$SHEAF_OUT/a"; echo x > "$SHEAF_OUT/a/b";; *00007.txt) echo y > "$SHEAF_OUT/a";; esac`;
  const job = await runPipeline(connection, { name: "folder", repo: "docs", glob: "/docs/*", script, workers: 2 });
  assert.equal(job.state, api.JobState.FAILED);
  assert.match(job.message, /\/a\b.*datums 3 and 7/);
});

test("a glob that matches nothing makes an empty commit", async () => {
  const job = await runPipeline(connection, { name: "nothing", repo: "docs", glob: "/none/*", script: "exit 1" });
  assertSucceeded(job);
  assert.equal(job.dataTotal, 0n);
  assert.deepEqual([...(await readFiles(connection, "nothing"))], []);
});

test("one datum that fails: the others finish and are kept, nothing is published, and it is named with its log", async () => {
  const script = `case "$SHEAF_INPUT" in *00042.txt) echo "cannot read this" >&2; exit 7;; esac; echo ok > "$SHEAF_OUT/ok"`;
  const job = await runPipeline(connection, { name: "one-bad", repo: "docs", glob: "/docs/*", script, workers: 2 });
  assert.equal(job.state, api.JobState.FAILED);
  assert.deepEqual([job.dataProcessed, job.dataFailed], [59n, 1n]);
  assert.match(job.message, /42/);
  const datums = connection.client(api.DatumService);
  const failed = await datums.listDatums({ pipeline: "one-bad", states: [api.DatumState.FAILED] });
  assert.deepEqual(
    failed.datums.map((datum) => [datum.index, datum.reason, datum.tries]),
    [[42n, "EXIT_7", 3]],
  );
  const lines: string[] = [];
  for await (const { lines: some } of datums.getLogs({ pipeline: "one-bad", datum: "42" })) {
    lines.push(...some.map((line) => Buffer.from(line.text).toString()));
  }
  assert.deepEqual(
    lines,
    Array.from({ length: 3 }, () => "cannot read this"),
  );
  await assert.rejects(readFiles(connection, "one-bad"), { code: "NOT_FOUND" });
});

test("a command that does not exist fails its datum with the reason", async () => {
  const cmd = ["no-such-command", "x"];
  const job = await runPipeline(connection, {
    name: "no-command",
    repo: "docs",
    glob: "/docs/00000.txt",
    script: "",
    cmd,
  });
  assert.equal(job.state, api.JobState.FAILED);
  assert.match(job.message, /no-such-command/);
});
