// Pods that die, and pods that never start.

import assert from "node:assert/strict";
import { it } from "node:test";
import { api } from "@sheaf/proto";
import { eventually } from "../kit/cluster.ts";
import { assertSucceeded, createPipeline, putFiles, readFiles, waitJob } from "../kit/pipelines.ts";
import { type Pod, SERVICES, WORKERS } from "./installed/installation.ts";
import { agentPid, firstProcess } from "./installed/pod-starts.ts";
import { within } from "./installed/promised.ts";
import { files, POD_MS, type Site } from "./site.ts";

export function deaths(site: Site): void {
  it("goes on elsewhere when a pod dies in mid-job, and runs nothing again but what it had not committed", async (t) => {
    await putFiles(site.sheaf.connection, "dies-in", files(60));
    await createPipeline(
      site.sheaf.connection,
      site.gated("dies", { workers: 2, script: `${site.gate.line}; sleep 0.3; cp "$SHEAF_INPUT" "$SHEAF_OUT"` }),
    );
    // Its command does not end while there is time to end in order.
    const held = "f20";
    site.gate.letGo(...[...files(60).keys()].map((path) => path.slice(1)).filter((name) => name !== held));
    await eventually(() => site.gate.waiting.includes(held), "the victim runs a long datum", POD_MS);
    const pod = site.gate.begun.find(({ datum }) => datum === held)?.pod ?? "";
    const victim = (await site.sheaf.workers("dies")).find(({ metadata }) => metadata.name === pod);
    const worker = victim?.metadata.labels["sheaf.dev/worker"] ?? assert.fail();
    await site.kubectl("delete", "pod", "-n", WORKERS, pod, "--grace-period=0", "--force", "--wait=false");
    await eventually(() => agentPid(worker) === undefined, "the kubelet has killed it", POD_MS);
    const killedMs = Date.now();
    const again = () => site.gate.begun.find((each) => each.datum === held && each.pod !== pod);
    await eventually(() => again() !== undefined, "it begins elsewhere", POD_MS);
    const tookMs = (again()?.atMs ?? 0) - killedMs;
    site.gate.letGo();
    t.diagnostic(`its datum began elsewhere ${tookMs} ms after its agent was dead`);
    within("elsewhere", tookMs);
    const job = await waitJob(site.sheaf.connection, "dies");
    assertSucceeded(job);
    const twice = [...site.gate.counts().values()].filter((count) => count > 1).length;
    t.diagnostic(`${twice} of 60 datums ran twice`);
    // A second of work that was not cut yet, and what was in the stages.
    assert.ok(twice <= 8, `${twice} datums ran twice`);
    assert.equal((await readFiles(site.sheaf.connection, "dies")).size, 60);
    await site.remove("dies");
  });

  it("has another pod when an agent dies, and the agent that the kubelet starts in its place does nothing", async () => {
    const victim = await busyPod(site, "killed", 4);
    process.kill(Number(agentPid(victim.metadata.labels["sheaf.dev/worker"] ?? "")), "SIGKILL");
    await eventually(
      () => site.gate.begun.some(({ pod }) => pod !== victim.metadata.name),
      "it runs elsewhere",
      POD_MS,
    );
    site.gate.letGo();
    assertSucceeded(await waitJob(site.sheaf.connection, "killed"));
    const [first, ...others] = [...site.gate.counts().values()].sort((a, b) => b - a);
    assert.deepEqual([first, others], [2, [1, 1, 1]]);
    const pods = site.gate.begun.map(({ pod }) => pod);
    assert.equal(pods.lastIndexOf(victim.metadata.name), 0, "nothing has begun in the old pod after that");
    await eventually(
      async () =>
        (await site.sheaf.workerPods("killed")).every(({ metadata }) => metadata.name !== victim.metadata.name),
      "the old pod is gone",
      POD_MS,
    );
    await site.remove("killed");
  });

  it("goes on in the same pod when a command takes its container along", async () => {
    const pod = await busyPod(site, "taken", 2);
    process.kill(firstProcess(pod.metadata.uid), "SIGKILL");
    await eventually(() => site.gate.begun.length > 1, "it runs again", POD_MS);
    site.gate.letGo();
    assertSucceeded(await waitJob(site.sheaf.connection, "taken"));
    assert.deepEqual(new Set(site.gate.begun.map((each) => each.pod)), new Set([pod.metadata.name]));
    await site.remove("taken");
  });

  it("runs nothing again when a pod is told to go", async () => {
    await putFiles(site.sheaf.connection, "drained-in", files(40));
    await createPipeline(
      site.sheaf.connection,
      site.gated("drained", { workers: 2, script: `${site.gate.line}; sleep 0.2; cp "$SHEAF_INPUT" "$SHEAF_OUT"` }),
    );
    site.gate.letGo();
    await eventually(
      () => new Set(site.gate.begun.map(({ pod }) => pod)).size === 2 && site.gate.begun.length >= 10,
      "both work",
      POD_MS,
    );
    const [victim] = (await site.sheaf.workers("drained")) as [Pod];
    await site.kubectl("delete", "pod", "-n", WORKERS, victim.metadata.name, "--wait=false");
    assertSucceeded(await waitJob(site.sheaf.connection, "drained"));
    assert.deepEqual(
      [...site.gate.counts().values()].filter((count) => count > 1),
      [],
    );
    await site.remove("drained");
  });

  it("goes on when master pods die", async () => {
    await putFiles(site.sheaf.connection, "masters-in", files(30));
    await createPipeline(
      site.sheaf.connection,
      site.gated("masters", { workers: 2, script: `${site.gate.line}; sleep 0.3; cp "$SHEAF_INPUT" "$SHEAF_OUT"` }),
    );
    site.gate.letGo();
    await eventually(() => site.gate.begun.length >= 4, "it runs", POD_MS);
    const all = await site.kubectl(
      "get",
      "pods",
      "-n",
      SERVICES,
      "-l",
      "app.kubernetes.io/name=sheaf-master",
      "-o",
      "name",
    );
    const [first = ""] = all.trim().split("\n");
    await site.kubectl("delete", "-n", SERVICES, first, "--grace-period=0", "--force", "--wait=false");
    assertSucceeded(await waitJob(site.sheaf.connection, "masters"));
    assert.deepEqual(
      [...site.gate.counts().values()].filter((count) => count > 1),
      [],
    );
    await site.kubectl("rollout", "status", "-n", SERVICES, "deployment/sheaf-master", "--timeout=60s");
    await site.remove("masters");
  });

  it("says within seconds that an image does not exist", async (t) => {
    const image = `${site.gate.address}/nothing:1`;
    await putFiles(site.sheaf.connection, "no-image-in", files(1));
    const begunMs = Date.now();
    await createPipeline(site.sheaf.connection, site.gated("no-image", { transform: { image } }));
    const reason = async () => {
      const { pipeline } = await site.sheaf.connection
        .client(api.PipelineService)
        .inspectPipeline({ name: "no-image" });
      return pipeline?.reason ?? "";
    };
    await eventually(async () => (await reason()).includes(image), "the reason names the image", POD_MS);
    const tookMs = Date.now() - begunMs;
    t.diagnostic(`after ${tookMs} ms: ${await reason()}`);
    within("badImage", tookMs);
    await site.remove("no-image");
  });
}

/** The one pod of a new pipeline, whose first datum waits at the gate. */
async function busyPod(site: Site, pipeline: string, datums: number): Promise<Pod> {
  await putFiles(site.sheaf.connection, `${pipeline}-in`, files(datums));
  await createPipeline(site.sheaf.connection, site.gated(pipeline, { workers: 1 }));
  await eventually(() => site.gate.waiting.length > 0, "a datum runs", POD_MS);
  const [pod] = (await site.sheaf.workers(pipeline)) as [Pod];
  return pod;
}
