// Pods that come and go as the data want it.

import assert from "node:assert/strict";
import { it } from "node:test";
import { api } from "@sheaf/proto";
import { eventually } from "../kit/cluster.ts";
import { assertSucceeded, createPipeline, jobOf, newestJob, putFiles } from "../kit/pipelines.ts";
import { type Asked, agentBeganMs, PodStarts } from "./installed/pod-starts.ts";
import { within } from "./installed/promised.ts";
import { files, POD_MS, type Site, scaled } from "./site.ts";

export function scaling(site: Site): void {
  it("goes from no pod to one, to four and back to none, as the data want it", async (t) => {
    await site.createRepo("scaled-in");
    await createPipeline(site.sheaf.connection, site.gated("scaled", scaled(4)));
    await eventually(async () => (await newestJobOf(site, "scaled")) === undefined, "no job", POD_MS);
    assert.deepEqual(await site.sheaf.workerPods("scaled"), []);
    const starts = await PodStarts.watch(site.sheaf, "scaled");
    t.after(() => starts.close());
    const begunMs = Date.now();
    const commit = await putFiles(site.sheaf.connection, "scaled-in", files(8));
    await eventually(() => site.gate.begun.length > 0, "the first datum has begun", POD_MS);
    await eventually(() => starts.asked.length === 4, "four are asked for", POD_MS);
    const [first, , , last] = starts.asked as [Asked, Asked, Asked, Asked];
    const firstMs = (site.gate.begun[0]?.atMs ?? 0) - begunMs;
    const [askedMs, allMs] = [first.atMs - begunMs, last.atMs - begunMs];
    const beganMs = agentBeganMs(first.worker) - begunMs;
    const oursMs = askedMs + firstMs - beganMs;
    t.diagnostic(
      `first pod asked for after ${askedMs} ms, its agent began after ${beganMs.toFixed()} ms, first datum ${firstMs} ms, all four asked for ${allMs} ms`,
    );
    t.diagnostic(`of that ${oursMs.toFixed()} ms were ours, and ${(firstMs - oursMs).toFixed()} ms the node's`);
    await eventually(() => site.gate.waiting.length === 4, "four datums run, each in a pod", POD_MS);
    site.gate.letGo();
    assertSucceeded(await jobOf(site.sheaf.connection, "scaled", commit));
    const overMs = Date.now();
    await site.whenGone("scaled");
    t.diagnostic(`all gone ${Date.now() - overMs} ms after the job`);
    assert.equal(site.gate.counts().size, 8);
    within("firstDatum", firstMs);
    within("ours", oursMs);
    within("asked", askedMs);
    within("allAsked", allMs - firstMs);
    await site.remove("scaled");
  });

  it("has two jobs share the limit", async () => {
    await site.createRepo("shared-in");
    await createPipeline(site.sheaf.connection, site.gated("shared", scaled(3)));
    await putFiles(
      site.sheaf.connection,
      "shared-in",
      new Map([
        ["/a0", "0"],
        ["/a1", "1"],
      ]),
    );
    await eventually(() => site.gate.waiting.length === 2, "the first job runs", POD_MS);
    const second = await putFiles(
      site.sheaf.connection,
      "shared-in",
      new Map([
        ["/b0", "0"],
        ["/b1", "1"],
        ["/b2", "2"],
      ]),
      ["/a0", "/a1"],
    );
    await eventually(
      () => site.gate.waiting.some((datum) => datum.startsWith("b")),
      "the second job runs beside it",
      POD_MS,
    );
    assert.ok((await site.sheaf.workers("shared")).length <= 3);
    site.gate.letGo();
    // Jobs publish in order.
    assertSucceeded(await jobOf(site.sheaf.connection, "shared", second));
    const { jobs } = await site.sheaf.connection.client(api.JobService).listJobs({ pipeline: "shared" });
    for (const job of jobs) assertSucceeded(job);
    await site.remove("shared");
  });

  it("lets idle pods go while a straggler runs", async (t) => {
    await site.createRepo("straggler-in");
    await createPipeline(site.sheaf.connection, site.gated("straggler", scaled(3)));
    const commit = await putFiles(site.sheaf.connection, "straggler-in", files(3));
    await eventually(() => site.gate.waiting.length === 3, "three run", POD_MS);
    site.gate.letGo("f0", "f1");
    const idleMs = Date.now();
    await eventually(async () => (await site.sheaf.workers("straggler")).length === 1, "two were told to go", POD_MS);
    const tookMs = Date.now() - idleMs;
    t.diagnostic(`idle pods were told to go within ${tookMs} ms`);
    within("idleGone", tookMs);
    assert.deepEqual(site.gate.waiting, ["f2"]);
    site.gate.letGo();
    assertSucceeded(await jobOf(site.sheaf.connection, "straggler", commit));
    assert.deepEqual([...site.gate.counts().values()], [1, 1, 1]);
    await site.remove("straggler");
  });
}

async function newestJobOf(site: Site, pipeline: string): Promise<api.Job | undefined> {
  return await newestJob(site.sheaf.connection, pipeline).catch((error: { code?: string }) => {
    if (error.code === "NOT_FOUND") return undefined;
    throw error;
  });
}
