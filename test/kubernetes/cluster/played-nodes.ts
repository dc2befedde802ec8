/** Nodes that are not there, played by kwok: their pods run at once, and nothing runs in them. For tests with very many pods. */
import { join } from "node:path";
import { freePorts } from "@sheaf/provision";
import type { Api } from "./api.ts";
import { Daemon } from "./daemon.ts";

const LOOPBACK = "127.0.0.1";
const READY_MS = 60_000;
const SIZE = { cpu: "32", memory: "64Gi", pods: "200" };

/** Starts kwok, which plays all nodes of the cluster. */
export async function startPlayer(kwok: string, folder: string, kubeconfig: string): Promise<Daemon> {
  const address = `${LOOPBACK}:${(await freePorts(1))[0]}`;
  const flags = [`--config=${join(import.meta.dirname, "stages.yaml")}`, `--kubeconfig=${kubeconfig}`];
  // The fewest signs of life with which a node is not taken for lost.
  const play = ["--manage-all-nodes=true", "--node-lease-duration-seconds=40", `--server-address=${address}`];
  const player = new Daemon("kwok", [kwok, ...flags, ...play], join(folder, "log", "kwok.log"));
  const answers = async () => (await fetch(`http://${address}/healthz`).catch(() => undefined))?.ok === true;
  await player.until(answers, "kwok plays nodes", READY_MS);
  return player;
}

/** The objects of so many nodes, to be created. */
export function playedNodes(count: number): string {
  const items = Array.from({ length: count }, (_, i) => ({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: `played-${i}`, labels: { "kubernetes.io/hostname": `played-${i}` } },
    status: { allocatable: SIZE, capacity: SIZE },
  }));
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}

export async function allReady(player: Daemon, api: Api, count: number): Promise<void> {
  const ready = async () => {
    const list = (await api("/api/v1/nodes")) as NodeList | undefined;
    const isReady = ({ status }: NodeList["items"][number]) =>
      status.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True");
    return (list?.items.filter(isReady).length ?? 0) >= count;
  };
  await player.until(ready, `${count} played nodes are Ready`, READY_MS);
}

interface NodeList {
  readonly items: readonly { readonly status: { readonly conditions?: readonly { type: string; status: string }[] } }[];
}
