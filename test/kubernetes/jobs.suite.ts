// Jobs in pods: the same as on a laptop, byte for byte.

import assert from "node:assert/strict";
import { it } from "node:test";
import { api } from "@sheaf/proto";
import { assertSucceeded, putFiles, readFiles, runPipeline } from "../kit/pipelines.ts";
import { COUNT_WORDS, wordCounts, wordFiles } from "../kit/tree.ts";
import { NAMES } from "./images/index.ts";
import { files, SHELL, type Site } from "./site.ts";

export function jobs(site: Site): void {
  it("counts words with three pods, byte for byte as one machine does", async () => {
    const words = wordFiles(300, 200);
    await putFiles(site.sheaf.connection, "docs", words);
    const merge = api.MergeStrategy.SUM;
    const options = { name: "words", repo: "docs", glob: "/docs/*", script: COUNT_WORDS, workers: 3, merge };
    const job = await runPipeline(site.sheaf.connection, { ...options, transform: SHELL });
    assertSucceeded(job);
    assert.equal((await site.sheaf.workers("words")).length, 3);
    const result = await readFiles(site.sheaf.connection, "words");
    assert.deepEqual([...result.keys()], ["/counts"]);
    assert.equal(result.get("/counts")?.toString(), wordCounts(words));
    await site.remove("words");
  });

  it("runs a command of an image that has no shell", async () => {
    await putFiles(site.sheaf.connection, "bare-in", files(20));
    const options = { name: "bare", repo: "bare-in", glob: "/*", script: "", cmd: ["/count"] };
    const job = await runPipeline(site.sheaf.connection, { ...options, transform: { image: NAMES.bare } });
    assertSucceeded(job);
    assert.equal(job.dataTotal, 20n);
    await site.remove("bare");
  });
}
