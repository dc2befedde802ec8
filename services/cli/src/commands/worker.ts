/** `sheaf worker`. */
import { api } from "@sheaf/proto";
import type { Command } from "commander";
import { action, leaf, noun } from "../action.ts";
import { type Columns, say, showOne, showRows, time } from "../output/show.ts";
import type { Session } from "../session.ts";
import { checkPipeline } from "./known-pipeline.ts";

const COLUMNS: Columns<api.Worker> = {
  WORKER: ({ id }) => id,
  PIPELINE: ({ pipeline }) => pipeline,
  SLOTS: ({ slots }) => slots,
  CLAIMS: ({ claims }) => claims,
  STATE: ({ draining }) => (draining ? "draining" : "ready"),
  VERSION: ({ version }) => version,
  SINCE: ({ started }) => time(started),
};

export function defineWorker(program: Command, session: Session): void {
  const worker = noun(program, "worker", "Workers that are connected.");
  leaf(worker, {
    usage: "list [pipeline]",
    summary: "Lists workers, by pipeline and id.",
    examples: ["sheaf worker list", "sheaf worker list status-codes"],
  }).action(
    action<object, [string | undefined]>(session, async (call, _, pipeline) => {
      const client = await call.connect();
      await checkPipeline(call, pipeline);
      await showRows(call, api.WorkerSchema, client.workers(pipeline), COLUMNS);
    }),
  );
  leaf(worker, {
    usage: "drain <pipeline> <worker>",
    summary:
      "Has a worker finish what it runs, give back the rest, and go: nothing is run twice. By its id, or the first 8 characters of it. " +
      "Another takes its place, if the pipeline is to have one: fewer workers are a matter of parallelism_spec.",
    examples: ["sheaf worker drain status-codes 3f9c12ab"],
  }).action(
    action<object, [string, string]>(session, async (call, _, pipeline, named) => {
      const { rpc } = await call.connect();
      const answer = await rpc.cluster.drainWorker({ pipeline, worker: named }, { signal: call.signal });
      if (call.json) return showOne(call, api.WorkerSchema, answer.worker, {});
      say(call, `worker ${answer.worker?.id ?? named} goes when what it runs has ended`);
    }),
  );
}
