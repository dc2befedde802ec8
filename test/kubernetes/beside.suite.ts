// Two installations in one cluster: the second is made for production, with TLS between all, three members of etcd and a store outside.

import assert from "node:assert/strict";
import { it } from "node:test";
import { eventually } from "../kit/cluster.ts";
import { assertSucceeded, createPipeline, putFiles, readFiles, waitJob } from "../kit/pipelines.ts";
import { S3Server } from "../kit/s3-server.ts";
import { Installation, type Names } from "./installed/installation.ts";
import { applyProduction, GREEN } from "./production.ts";
import { findProgram } from "./programs.ts";
import { files, POD_MS, type Site } from "./site.ts";

export function beside(site: Site): void {
  it("a second installation, as for production: both run a pipeline of one name, and when one goes the other does not feel it", async (t) => {
    const { cluster } = site.sheaf;
    const begunMs = Date.now();
    const s3 = await startS3(cluster.hostAddress);
    let second: Installation | undefined;
    try {
      const { access, overlay } = await applyProduction(cluster, s3);
      second = await Installation.beside(cluster, GREEN, access);
      t.diagnostic(`it is ready after ${Date.now() - begunMs} ms`);
      // What they work on tells their datums apart at the gate.
      const both = [
        { sheaf: site.sheaf, datums: files(4, "first-") },
        { sheaf: second, datums: files(4, "second-") },
      ] as const;
      for (const { sheaf, datums } of both) {
        await putFiles(sheaf.connection, "same-in", datums);
        await createPipeline(sheaf.connection, site.gated("same", { workers: 2 }));
      }
      await eventually(() => site.gate.waiting.length === 4, "two pods of each run a datum each", POD_MS);
      for (const { sheaf, datums } of both) {
        const pods = (await sheaf.workers("same")).map(({ metadata }) => metadata.name);
        const own = site.gate.begun.filter(({ datum }) => datums.has(`/${datum}`));
        assert.deepEqual(new Set(own.map(({ pod }) => pod)), new Set(pods));
      }
      for (const [one, other] of [
        [site.sheaf.names, second.names],
        [second.names, site.sheaf.names],
      ] as const)
        assert.deepEqual(await mayOf(one, other), []);

      site.gate.letGo(...both[1].datums.keys().map((path) => path.slice(1)));
      assertSucceeded(await waitJob(second.connection, "same"));
      assert.equal((await readFiles(second.connection, "same")).size, 4);
      assert.ok(s3.filesOf("bucket-1").length > 0, "its data are in the store outside");
      await cluster.kubectl(["delete", "-k", overlay, "--wait=false"]);
      await eventually(async () => (await second?.workerPods())?.length === 0, "its workers went with it", POD_MS);
    } finally {
      second?.leave();
      await s3.stop();
    }
    site.gate.letGo();
    assertSucceeded(await waitJob(site.sheaf.connection, "same"));
    assert.deepEqual([...site.gate.counts().values()], Array(8).fill(1));
    await site.remove("same");
  });

  /** What the master of one may do with the workers of the other. */
  async function mayOf(one: Names, other: Names): Promise<string[]> {
    const as = `--as=system:serviceaccount:${one.services}:sheaf-master`;
    const text = await site.kubectl("auth", "can-i", "--list", as, "-n", other.workers);
    return text.split("\n").filter((line) => /^(pods|configmaps|secrets)/.test(line));
  }
}

async function startS3(host: string): Promise<S3Server> {
  const found = await findProgram("versitygw");
  if ("cannot" in found) throw new Error(found.cannot);
  return await S3Server.start(found.file, host, true);
}
