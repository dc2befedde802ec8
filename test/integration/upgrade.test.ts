// Another version of Sheaf beside the one that runs: one minor version further works together with it, which is how an upgrade goes on
// under running jobs; two are refused, and told, and nothing that runs is touched.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { api } from "@sheaf/proto";
import { VERSION } from "@sheaf/runtime";
import { eventually, TestCluster } from "../kit/cluster.ts";
import { ofVersion } from "../kit/other-version.ts";
import { assertSucceeded, createPipeline, jobOf, putFiles, waitJob } from "../kit/pipelines.ts";

const [major = 0, minor = 0] = VERSION.split(".").map(Number);
const later = (by: number) => `${major}.${minor + by}.0`;
const WORKER = join(import.meta.dirname, "..", "..", "services", "worker", "src", "main.ts");

describe("another version", () => {
  let cluster: TestCluster;
  before(async () => {
    cluster = await TestCluster.startMany({ masters: 2 });
    await cluster.end("master-2", "SIGTERM");
  });
  after(() => cluster?.stop());

  const versions = async () => {
    const { workers } = await cluster.connection().client(api.ClusterService).listWorkers({ pipeline: "goes-on" });
    return workers.map(({ version }) => version);
  };

  it("two versions further: a service does not start beside this one, and says what to do", async () => {
    const started = cluster.run("master-2", ofVersion(later(2)));
    await assert.rejects(
      started,
      new RegExp(`has version ${VERSION}, this service ${later(2)}: .*one minor version at a time`),
    );
    const { replicas } = await cluster.connection().client(api.ClusterService).inspectCluster({});
    assert.deepEqual(
      replicas.map(({ version }) => version),
      [VERSION, VERSION],
    );
  });

  it("two versions further: a worker is refused by both owners, and all of them say so", async () => {
    const log = join(cluster.folder, "far-worker.log");
    const owners = ["--masters", cluster.dispatchOf("master"), "--mergers", cluster.dispatchOf("merge")];
    const place = ["--store", `file://${cluster.folder}/store`, "--data", join(cluster.folder, "far")];
    const env = { ...process.env, ...ofVersion(later(2)) };
    const worker = spawn(process.execPath, [WORKER, "--id", "far", "--pool", "goes-on", ...owners, ...place], { env });
    worker.stderr.on("data", (text: Buffer) => appendFileSync(log, text));
    const why = `worker far has version ${later(2)}, the (master|merge replica) ${VERSION}: .*; upgrade the`;
    const said = (text: string) => text.match(new RegExp(why, "g"))?.length ?? 0;
    try {
      await eventually(
        () => said(readFileSync(log, { encoding: "utf8", flag: "a+" })) === 2,
        "the worker says it of both",
      );
      for (const owner of ["master", "merge"] as const) assert.equal(said(cluster.log(owner)), 1, owner);
    } finally {
      worker.kill("SIGKILL");
    }
  });

  it("one version further: masters and merge replicas first, then workers, under a job that runs; no datum runs twice", async () => {
    const folder = mkdtempSync(join(cluster.folder, "goes-on-"));
    const [begun, gate] = [join(folder, "begun"), join(folder, "gate")];
    const files = new Map(Array.from({ length: 8 }, (_, i): [string, string] => [`/f${i}`, `${i}\n`]));
    const begunAre = () => readFileSync(begun, { encoding: "utf8", flag: "a+" }).split("\n").filter(Boolean).sort();
    await putFiles(cluster.connection(), "in", files);
    await createPipeline(cluster.connection(), {
      ...{ name: "goes-on", repo: "in", glob: "/*", workers: 2 },
      script: `basename "$SHEAF_INPUT" >> ${begun}; until [ -e ${gate} ]; do sleep 0.05; done; cp "$SHEAF_INPUT" "$SHEAF_OUT"`,
      spec: { speculation: false },
    });
    await eventually(() => begunAre().length === 2, "two workers run a datum each");

    for (const service of ["merge", "master"] as const) {
      await cluster.end(service, "SIGTERM");
      await cluster.run(service, ofVersion(later(1)));
    }
    await eventually(async () => (await versions()).length === 2, "the workers have come to the new master");
    assert.deepEqual(await versions(), [VERSION, VERSION]);
    writeFileSync(gate, "");
    assertSucceeded(await waitJob(cluster.connection(), "goes-on"));
    assert.deepEqual(
      begunAre(),
      [...files.keys()].map((path) => path.slice(1)),
    );

    for (const pid of cluster.workerPids()) process.kill(pid, "SIGTERM");
    await eventually(async () => String(await versions()) === `${later(1)},${later(1)}`, "workers of the new version");
    const more = await putFiles(cluster.connection(), "in", new Map([["/f8", "8\n"]]));
    assertSucceeded(await jobOf(cluster.connection(), "goes-on", more));
    assert.equal(begunAre().length, files.size + 1);
    rmSync(folder, { recursive: true });
  });
});
