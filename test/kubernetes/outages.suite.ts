// What every pod stands on goes away: a node, and the API server of Kubernetes.

import assert from "node:assert/strict";
import { it } from "node:test";
import { api } from "@sheaf/proto";
import { eventually } from "../kit/cluster.ts";
import {
  assertSucceeded,
  createPipeline,
  jobOf,
  putFiles,
  readFiles,
  updatePipeline,
  waitJob,
} from "../kit/pipelines.ts";
import { NAMES } from "./images/index.ts";
import { files, POD_MS, type Site, scaled } from "./site.ts";

/**
 * Nobody says that those of a lost node are gone: their sessions end after 5 s. Others that are started on that node before Kubernetes
 * takes it for lost (here after 10 s, as it is set up 50) are replaced when it does.
 */
const ELSEWHERE_MS = 90_000;
/** A request that is not answered is given up after 15 s, twice that on a machine that is busy. */
const TOLD_MS = 30_000;

export function outages(site: Site): void {
  it("a node that loses its power: what its workers held runs on the other, the job is whole, and it comes back", async (t) => {
    const { cluster, connection } = site.sheaf;
    const all = files(12);
    await putFiles(connection, "lost-in", all);
    // One worker on each node.
    await site.kubectl("cordon", "node1");
    await createPipeline(connection, site.gated("lost", { workers: 1 }));
    await eventually(() => site.gate.waiting.length === 1, "one worker runs a datum", POD_MS);
    await site.kubectl("uncordon", "node1");
    await site.kubectl("cordon", "node2");
    await updatePipeline(connection, site.gated("lost", { workers: 2 }));
    await eventually(() => site.gate.waiting.length === 2, "two workers run a datum each", POD_MS);
    await site.kubectl("uncordon", "node2");
    const pods = await site.sheaf.workers("lost");
    const gone = new Set(pods.filter(({ spec }) => spec.nodeName === "node2").map(({ metadata }) => metadata.name));
    assert.equal(gone.size, 1, "one of them is on the second node");
    const held = site.gate.begun.filter(({ pod }) => gone.has(pod)).map(({ datum }) => datum);
    await cluster.killNode(2);
    const lostMs = Date.now();
    site.gate.letGo();
    const elsewhere = (datum: string) => site.gate.begun.find((each) => each.datum === datum && !gone.has(each.pod));
    await eventually(() => held.every((datum) => elsewhere(datum) !== undefined), "they begin elsewhere", ELSEWHERE_MS);
    const tookMs = Math.max(...held.map((datum) => elsewhere(datum)?.atMs ?? 0)) - lostMs;
    t.diagnostic(`what it held began elsewhere after ${tookMs} ms`);
    assertSucceeded(await waitJob(connection, "lost"));
    assert.equal((await readFiles(connection, "lost")).size, all.size);

    // Its pods are told to go, and nobody is there who could end them.
    await site.kubectl("wait", "node/node2", "--for=condition=Ready=Unknown", "--timeout=60s");
    await site.remove("lost");
    await eventually(async () => (await site.sheaf.workers("lost")).length === 0, "all are told to go", POD_MS);
    assert.ok((await site.sheaf.workerPods("lost")).length > 0, "those of the lost node stay Terminating");
    await cluster.startNode(2);
    await site.kubectl("wait", "node/node2", "--for=condition=Ready", "--timeout=60s");
    await site.whenGone("lost");
    // With its images.
    const pod = { nodeName: "node2", containers: [{ name: "a", image: NAMES.shell, command: ["sleep", "1000"] }] };
    const found = { apiVersion: "v1", kind: "Pod", metadata: { name: "found" }, spec: pod };
    await cluster.kubectl(["create", "-f", "-"], JSON.stringify(found));
    await site.kubectl("wait", "pod/found", "--for=condition=Ready", "--timeout=60s");
    await site.kubectl("delete", "pod/found", "--now", "--wait=false");
  });

  it("an API server that is away: the job goes on with the pods that there are, and none is lost or made twice", async (t) => {
    const { cluster, connection } = site.sheaf;
    const { controlPlane } = cluster;
    await site.createRepo("away-in");
    await createPipeline(connection, site.gated("away", scaled(4)));
    await putFiles(connection, "away-in", files(2));
    await eventually(() => site.gate.waiting.length === 2, "two run", POD_MS);
    const before = new Set(site.gate.begun.map(({ pod }) => pod));
    const why = async () => {
      const { pipeline } = await connection.client(api.PipelineService).inspectPipeline({ name: "away" });
      return pipeline?.pool?.reason ?? "";
    };

    const awayMs = Date.now();
    controlPlane.freezeApi();
    const second = await putFiles(connection, "away-in", files(6, "g"), ["/f0", "/f1"]);
    await eventually(async () => /Kubernetes API cannot be reached/.test(await why()), "it says why", TOLD_MS);
    t.diagnostic(`after ${Date.now() - awayMs} ms: ${await why()}`);
    await controlPlane.killApi();
    const running = async (count: number, what: string) =>
      await eventually(() => site.gate.waiting.filter((datum) => datum.startsWith("g")).length === count, what, POD_MS);
    site.gate.letGo("f0", "f1");
    await running(2, "both take work of the second job");
    site.gate.letGo(...site.gate.waiting);
    await running(2, "and more");

    const twice = () => site.gate.begun.filter(({ datum }) => site.gate.counts().get(datum) !== 1);
    assert.deepEqual(twice(), [], "datums that began twice while it was away");
    await controlPlane.startApi();
    const backMs = Date.now();
    t.diagnostic(`it was away for ${backMs - awayMs} ms`);
    await running(4, "others come");
    t.diagnostic(`four run ${Date.now() - backMs} ms after it came back`);
    const names = (await site.sheaf.workers("away")).map(({ metadata }) => metadata.name);
    assert.equal(names.length, 4, "no pod too many");
    for (const name of before) assert.ok(names.includes(name), `${name} is gone`);
    site.gate.letGo();
    assertSucceeded(await jobOf(connection, "away", second)); // Jobs publish in order.
    // Those that come take over what others hold, and have not begun (L6).
    assert.deepEqual(twice(), [], "datums that began twice");
    assert.equal(site.gate.counts().size, 2 + 6);
    assert.deepEqual(new Set(site.gate.begun.map(({ pod }) => pod)), new Set(names));
    await site.whenGone("away");
    await site.remove("away");
  });
}
