// A datum that takes its worker along: it is tried on three workers, then given up by name, and the others are done (L9).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { api } from "@sheaf/proto";
import { TestCluster } from "../kit/cluster.ts";
import { createPipeline, putFiles, waitJob } from "../kit/pipelines.ts";

const DATUMS = 6;
const POISON = "/3";

test("a datum that three workers die with is quarantined, costs no user try, and the others are done", async () => {
  const cluster = await TestCluster.start();
  const connection = cluster.connection();
  const notes = join(cluster.folder, "notes");
  const begun = () => {
    try {
      return readFileSync(notes, "utf8").split("\n").length - 1;
    } catch {
      return 0;
    }
  };
  try {
    await putFiles(connection, "docs", new Map(Array.from({ length: DATUMS }, (_, i) => [`/${i}`, "x"])));
    // The one that kills: it says that it has begun, when the commit of the one before it has arrived, and hangs until its worker is dead.
    const script = `case "$SHEAF_INPUT" in *${POISON}) sleep 1; echo begun >> ${notes}; sleep 60;; esac; cp "$SHEAF_INPUT" "$SHEAF_OUT/"`;
    await createPipeline(connection, { name: "poisoned", repo: "docs", glob: "/*", script, workers: 1 });
    const ended = waitJob(connection, "poisoned");
    let deaths = 0;
    const killer = setInterval(() => {
      if (begun() === deaths) return;
      deaths++;
      for (const pid of cluster.workerPids()) process.kill(pid, "SIGKILL");
    }, 20);
    const job = await ended.finally(() => clearInterval(killer));
    assert.equal(job.state, api.JobState.FAILED, job.message);
    assert.deepEqual([job.dataProcessed, job.dataFailed], [BigInt(DATUMS - 1), 1n]);
    assert.match(job.message, /3 workers, one after another, were lost/);
    const datums = connection.client(api.DatumService);
    const { datum } = await datums.inspectDatum({ pipeline: "poisoned", datum: "3" });
    assert.deepEqual([datum?.reason, datum?.tries, datum?.losses], ["QUARANTINED", 0, 3]);
    // A death in the first moments of a claim may be laid at the door of the one before it, whose commit is on its way.
    assert.ok(begun() >= 3 && begun() <= 6, `it was run ${begun()} times`);
  } finally {
    connection.close();
    await cluster.stop();
  }
});
