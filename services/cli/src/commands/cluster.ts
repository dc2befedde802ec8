/** `sheaf cluster`. */
import { api } from "@sheaf/proto";
import type { Command } from "commander";
import { action, leaf, noun } from "../action.ts";
import { type Columns, showOne, showRows } from "../output/show.ts";
import type { Session } from "../session.ts";

const FIELDS: Columns<api.InspectClusterResponse> = {
  cluster: ({ name }) => name,
  version: ({ version }) => version,
  etcd: ({ etcdVersion }) => etcdVersion,
  store: ({ store }) => store,
  masters: (cluster) => replicas(cluster, "master"),
  "merge replicas": (cluster) => replicas(cluster, "merge"),
};

/** What a master that does not own the pipeline cannot say is "?". */
const POOL: Columns<api.Pipeline> = {
  PIPELINE: ({ name }) => name,
  WANTED: ({ pool }) => pool?.wanted ?? "?",
  RUNNING: ({ pool }) => pool?.running ?? "?",
  READY: ({ pool }) => pool?.ready ?? "?",
  DRAINING: ({ pool }) => pool?.draining ?? "?",
  LIMIT: ({ pool }) => pool?.limit ?? "?",
  SHARE: ({ pool }) => pool?.share ?? "?",
  WHY: ({ pool, reason }) => [pool?.reason ?? "no master owns it now", reason].filter((text) => text !== "").join("; "),
};

async function* one(pipeline: Promise<api.InspectPipelineResponse>): AsyncGenerator<api.Pipeline> {
  const { pipeline: found } = await pipeline;
  if (found !== undefined) yield found;
}

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
  leaf(cluster, {
    usage: "why [pipeline]",
    summary: "Shows how many workers each pipeline shall have and has, and why.",
    examples: ["sheaf cluster why", "sheaf cluster why status-codes"],
  }).action(
    action<object, [string | undefined]>(session, async (call, _, name) => {
      const client = await call.connect();
      const { rpc } = client;
      const rows =
        name === undefined ? client.pipelines() : one(rpc.pipeline.inspectPipeline({ name }, { signal: call.signal }));
      await showRows(call, api.PipelineSchema, rows, POOL);
    }),
  );
}
