/** `sheaf worker`. */
import { api } from "@sheaf/proto";
import type { Command } from "commander";
import { action, leaf, noun } from "../action.ts";
import { type Columns, showRows, time } from "../output/show.ts";
import type { Session } from "../session.ts";
import { checkPipeline } from "./known-pipeline.ts";

const COLUMNS: Columns<api.Worker> = {
  WORKER: ({ id }) => id,
  PIPELINE: ({ pipeline }) => pipeline,
  SLOTS: ({ slots }) => slots,
  CLAIMS: ({ claims }) => claims,
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
}
