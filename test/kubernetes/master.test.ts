// A real master whose workers are pods, with the rights of the manifests and no others; the test plays the node. Needs no root.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { api } from "@sheaf/proto";
import { Cli } from "../kit/cli.ts";
import { eventually, TestCluster } from "../kit/cluster.ts";
import { createPipeline, putFiles, updatePipeline } from "../kit/pipelines.ts";
import { Cluster } from "./cluster/index.ts";
import { describeWithKubernetes } from "./kit.ts";
import { PlayedNode } from "./played-node.ts";
import { masterIn } from "./rights.ts";

await describeWithKubernetes("a master whose workers are pods", { forNodes: false }, (programs) => {
  const namespace = "sheaf-workers";
  let kubernetes: Cluster;
  let node: PlayedNode;
  let sheaf: TestCluster;

  before(async () => {
    kubernetes = await Cluster.start({ programs, nodes: 0 });
    const env = await masterIn(kubernetes, namespace);
    node = new PlayedNode(kubernetes.kubeconfig, namespace);
    await node.start();
    sheaf = await TestCluster.start(env);
    await putFiles(sheaf.connection(), "texts", new Map([["/a", "a"]]));
  });
  after(async () => {
    await sheaf?.stop();
    await node?.stop();
    await kubernetes?.stop();
  });

  const pipelines = () => sheaf.connection().client(api.PipelineService);
  const inspect = async (name: string) => (await pipelines().inspectPipeline({ name })).pipeline ?? assert.fail(name);
  const create = (name: string, spec = {}, transform = {}) =>
    createPipeline(sheaf.connection(), { name, repo: "texts", glob: "/*", script: "true", spec, transform });
  const pods = async () => (await node.api.listNamespacedPod({ namespace })).items;

  it("says within 10 s why a pipeline has no workers, where people look; the others go on", async () => {
    const begun = performance.now();
    await create("no-image", {}, { image: "no/such:1" });
    await create("huge", { resourceRequests: { cpu: 1_000 } });
    await create("good");
    await eventually(async () => {
      const reasons = await Promise.all(["no-image", "huge"].map(async (name) => (await inspect(name)).reason));
      return reasons.every((reason) => reason !== "");
    }, "both say why");
    assert.ok(performance.now() - begun < 10_000, `after ${performance.now() - begun} ms`);
    const pipeline = await inspect("no-image");
    assert.equal(pipeline.state, api.PipelineState.FAILING);
    assert.match(pipeline.reason, /^image "no\/such:1" cannot be pulled: not found; correct transform.image/);
    assert.match((await inspect("huge")).reason, /no node can take its pod: .*Insufficient cpu/);
    await eventually(async () => (await pods()).some((pod) => pod.status?.phase === "Running"), "the good one runs");
    const { stdout } = await new Cli(["cluster", "why", "no-image"], { env: { SHEAF_ADDRESS: sheaf.address } }).end;
    assert.match(stdout, /no\/such:1.*cannot be pulled/);
  });

  it("replaces pods that never started when the spec is put right", async () => {
    const spec = { resourceRequests: { cpu: 1 } };
    await updatePipeline(sheaf.connection(), { name: "huge", repo: "texts", glob: "/*", script: "true", spec });
    await eventually(async () => {
      const own = (await pods()).filter((pod) => pod.metadata?.labels?.["sheaf.dev/pipeline"] === "huge");
      return own.length === 1 && own[0]?.status?.phase === "Running";
    }, "one pod, and it runs");
    await eventually(async () => (await inspect("huge")).reason === "", "nothing is wrong any more");
  });

  it("a master that comes after a killed one takes its pods over", async () => {
    const names = async () => (await pods()).map((pod) => pod.metadata?.name).sort();
    const before = await names();
    await sheaf.end("master");
    await sheaf.run("master");
    await eventually(async () => (await inspect("good")).pool?.running === 1, "it knows of them");
    assert.deepEqual(await names(), before);
  });

  it("refuses what would be a lie, or a way to a credential", async () => {
    const refused = [
      () => create("bad", {}, { secrets: [{ name: "sheaf-worker", mountPath: "/a" }] }),
      () => create("bad", {}, { user: "0" }),
      () => create("bad", { metadata: { labels: { "sheaf.dev/worker": "x" } } }),
    ];
    for (const each of refused) await assert.rejects(each(), { code: "INVALID_ARGUMENT" });
  });

  it("ends the pods of a pipeline that is deleted", async () => {
    await pipelines().stopPipeline({ name: "good" });
    await eventually(
      async () => !(await pods()).some((pod) => pod.metadata?.labels?.["sheaf.dev/pipeline"] === "good"),
      "its pod is gone",
    );
  });
});
