// Stored objects that are gone: the job ends, and says which one; it neither hangs nor publishes. A whole store that is away is not gone.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { TestCluster } from "../kit/cluster.ts";
import { assertSucceeded, createPipeline, putFiles, readFiles, runPipeline, waitJob } from "../kit/pipelines.ts";

let cluster: TestCluster;
let connection: Connection;

before(async () => {
  cluster = await TestCluster.start();
  connection = cluster.connection();
});
after(async () => {
  connection?.close();
  await cluster?.stop();
});

/** Removes all objects of a kind from the store; their keys. */
function lose(kind: string): string[] {
  const folder = join(cluster.folder, "store", kind);
  const names = readdirSync(folder);
  for (const name of names) rmSync(join(folder, name), { recursive: true });
  return names;
}

const COPY = 'cp "$SHEAF_INPUT" "$SHEAF_OUT"';

test("runs that are gone before the merge fail the job, and the first is named", async () => {
  await putFiles(connection, "a", new Map([["/x", "1"]]));
  await cluster.end("merge");
  await createPipeline(connection, { name: "no-runs", repo: "a", glob: "/*", script: COPY });
  await waitJob(connection, "no-runs", ({ state }) => state === api.JobState.MERGING);
  const [lost] = lose("runs");
  await cluster.run("merge");
  const job = await waitJob(connection, "no-runs");
  assert.equal(job.state, api.JobState.FAILED);
  assert.equal(job.reason, "MERGE_FAILED");
  assert.ok(lost !== undefined && job.message.includes(lost), job.message);
  await assert.rejects(readFiles(connection, "no-runs"), { code: "NOT_FOUND" });
});

test("an index that is gone before the plan fails the job, and is named", async () => {
  await putFiles(connection, "b", new Map([["/x", "2"]]));
  const lost = lose("indexes");
  const job = await runPipeline(connection, { name: "no-index", repo: "b", glob: "/*", script: COPY });
  assert.equal(job.state, api.JobState.FAILED);
  assert.equal(job.reason, "PLAN_FAILED");
  assert.ok(
    lost.some((key) => job.message.includes(key)),
    job.message,
  );
});

test("an empty folder in the place of the store is not taken for it", async () => {
  await putFiles(connection, "c", new Map([["/x", "3"]]));
  const folder = join(cluster.folder, "store");
  const services = ["master", "merge"] as const;
  await Promise.all(services.map((name) => cluster.end(name)));
  renameSync(folder, `${folder}-away`);
  mkdirSync(folder);
  for (const name of services) {
    await assert.rejects(cluster.run(name));
    assert.match(
      cluster.log(name),
      /cannot open the store: the store folder .* is not there, or is another one; mount it/,
    );
  }
  rmdirSync(folder); // Nothing was written into it.
  renameSync(`${folder}-away`, folder);
  await Promise.all(services.map((name) => cluster.run(name)));
  assertSucceeded(await runPipeline(connection, { name: "copy", repo: "c", glob: "/*", script: COPY }));
});
