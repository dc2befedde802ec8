// 200 pipelines with 5 workers each: one list and watch for all of them, a request for each pod that is made, and a master that stays
// small and answers meanwhile. kwok plays nodes and pods: what is asked of the API server is real, workers never connect.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { api } from "@sheaf/proto";
import { TestCluster } from "../kit/cluster.ts";
import { createPipeline } from "../kit/pipelines.ts";
import { findProgram } from "../kit/program.ts";
import { Cluster } from "./cluster/index.ts";
import { describeWithKubernetes } from "./kit.ts";
import { masterIn } from "./rights.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const PIPELINES = 200;
const WORKERS = 5;
const NODES = 20;
const NAMESPACE = "sheaf-workers";
const RSS_MB_MAX = 300;
const WAIT_MS = 180_000;

await describeWithKubernetes("a thousand pods", { forNodes: false }, (programs) => {
  let kubernetes: Cluster;
  let sheaf: TestCluster;
  let kwok: ReturnType<typeof spawn> | undefined;

  before(async () => {
    const found = await findProgram("kwok");
    if ("cannot" in found) throw new Error(found.cannot);
    kubernetes = await Cluster.start({
      programs,
      nodes: 0,
      controllerFlags: ["--kube-api-qps=1000", "--kube-api-burst=1000"],
    });
    const env = await masterIn(kubernetes, NAMESPACE);
    const stages = join(import.meta.dirname, "fake-pods.yaml");
    const flags = [
      "--config",
      stages,
      "--kubeconfig",
      kubernetes.kubeconfig,
      "--manage-all-nodes=true",
      "--server-address=127.0.0.1:0",
    ];
    kwok = spawn("setpriv", ["--pdeathsig", "KILL", "--", found.file, ...flags], { stdio: "ignore" });
    await kubernetes.kubectl(["create", "-f", "-"], nodes());
    sheaf = await TestCluster.start({ ...env, NODE_OPTIONS: asInPod() });
    await sheaf.connection().client(api.RepoService).createRepo({ name: "texts" });
  });
  after(async () => {
    await sheaf?.stop();
    kwok?.kill("SIGKILL");
    await kubernetes?.stop();
  });

  it("are made with one request each, while the API goes on answering", async () => {
    const connection = sheaf.connection();
    const emptyMb = megabytes(sheaf.pid("master"), "VmRSS");
    const begun = performance.now();
    for (let i = 0; i < PIPELINES; i++) {
      await createPipeline(connection, { name: `p${i}`, repo: "texts", glob: "/*", script: "true", workers: WORKERS });
    }
    const answersMs: number[] = [];
    let made = 0;
    while (made < PIPELINES * WORKERS) {
      assert.ok(performance.now() - begun < WAIT_MS, `${made} of ${PIPELINES * WORKERS} are there after ${WAIT_MS} ms`);
      for (let i = 0; i < 20; i++) {
        const asked = performance.now();
        await connection.client(api.PipelineService).inspectPipeline({ name: `p${i}` });
        answersMs.push(performance.now() - asked);
      }
      made = await count();
    }
    const tookMs = performance.now() - begun;
    const requests = await requestsOfMaster();
    const rssMb = megabytes(sheaf.pid("master"), "VmRSS");
    answersMs.sort((a, b) => a - b);
    const p99 = answersMs[Math.floor(answersMs.length * 0.99)] ?? Number.POSITIVE_INFINITY;
    console.log(
      `${made} pods are there after ${Math.round(tookMs)} ms; creates ${requests}; the API answers in ${Math.round(p99)} ms (p99); ` +
        `the master has ${rssMb} MB (${emptyMb} before, ${megabytes(sheaf.pid("master"), "VmHWM")} at most) and took ${cpuSeconds(sheaf.pid("master"))} s of CPU`,
    );
    // One for each pod, and few again: of those whose answer was lost.
    assert.ok(requests >= made && requests <= made * 1.1, `${requests} creates`);
    assert.ok(rssMb <= RSS_MB_MAX, `${rssMb} MB`);
    assert.ok(p99 <= 1_000, `${p99} ms`);
  });

  async function count(): Promise<number> {
    const names = await kubernetes.kubectl(["get", "pods", "-n", NAMESPACE, "-o", "name"]);
    return names.split("\n").filter((line) => line !== "").length;
  }

  /** By the API server's own count: nobody else creates pods. */
  async function requestsOfMaster(): Promise<number> {
    const metrics = await kubernetes.kubectl(["get", "--raw", "/metrics"]);
    const lines = metrics
      .split("\n")
      .filter((line) => /^apiserver_request_total\{.*resource="pods".*verb="POST"/.test(line));
    const creates = lines.filter((line) => line.includes('subresource=""'));
    return creates.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }
});

/** How Node runs in the master's pod: with the manifest's options, and a heap of half its limit of 1 GiB. */
function asInPod(): string {
  const manifest = readFileSync(join(ROOT, "deploy", "kubernetes", "base", "master.yaml"), "utf8");
  const [, options] = /- name: NODE_OPTIONS\n\s+value: (.+)\n/.exec(manifest) ?? [];
  assert.ok(options && manifest.includes("memory: 1Gi"), "master.yaml says how the master runs");
  return `${options} --max-old-space-size=512`;
}

function nodes(): string {
  const amounts = { cpu: "64", memory: "256Gi", pods: "110" };
  return Array.from({ length: NODES }, (_, i) =>
    JSON.stringify({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: `played-${i}` },
      status: { allocatable: amounts, capacity: amounts },
    }),
  ).join("\n---\n");
}

function megabytes(pid: number, field: "VmRSS" | "VmHWM"): number {
  const line = readFileSync(`/proc/${pid}/status`, "utf8")
    .split("\n")
    .find((each) => each.startsWith(field));
  return Math.round(Number(/\d+/.exec(line ?? "")?.[0]) / 1_024);
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
