/** `sheaf cluster`. */
import { api } from "@sheaf/proto";
import type { Command } from "commander";
import { action, leaf, noun } from "../action.ts";
import { type Columns, showOne } from "../output/show.ts";
import type { Session } from "../session.ts";

const FIELDS: Columns<api.InspectClusterResponse> = {
  cluster: ({ name }) => name,
  version: ({ version }) => version,
  etcd: ({ etcdVersion }) => etcdVersion,
  store: ({ store }) => store,
  masters: (cluster) => replicas(cluster, "master"),
  "merge replicas": (cluster) => replicas(cluster, "merge"),
};

function replicas(cluster: api.InspectClusterResponse, service: string): string {
  const found = cluster.replicas.filter((replica) => replica.service === service);
  return found.map(({ id, address, version }) => `${id} (${address}, ${version})`).join(", ") || "none";
}

export function defineCluster(program: Command, session: Session): void {
  const cluster = noun(program, "cluster", "The cluster and its services.");
  leaf(cluster, {
    usage: "inspect",
    summary: "Shows the services of the cluster and their versions.",
    examples: ["sheaf cluster inspect", "sheaf cluster inspect --address 127.0.0.1:7450"],
  }).action(
    action<object, []>(session, async (call) => {
      const { rpc } = await call.connect();
      const answer = await rpc.cluster.inspectCluster({}, { signal: call.signal });
      showOne(call, api.InspectClusterResponseSchema, answer, FIELDS);
    }),
  );
}
