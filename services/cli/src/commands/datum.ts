/** `sheaf datum`. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import { enumWord, enumWords } from "@sheaf/client";
import { api } from "@sheaf/proto";
import { type Command, Option } from "commander";
import { action, leaf, noun } from "../action.ts";
import { bytes, duration } from "../output/numbers.ts";
import { type Columns, say, showOne, showRows, time } from "../output/show.ts";
import type { Session } from "../session.ts";
import { defineLogs } from "./datum-logs.ts";

const STATES = enumWords(api.DatumStateSchema);

const COLUMNS: Columns<api.Datum> = {
  DATUM: ({ index }) => index,
  STATE: ({ state }) => enumWord(api.DatumStateSchema, state),
  TRIES: ({ tries }) => tries,
  TIME: ({ stats }) => (stats?.processTime === undefined ? "" : duration(durationMs(stats.processTime))),
  WORKER: ({ worker }) => worker.slice(0, 8),
  INPUTS: ({ inputs }) => inputs.join(", "),
  WHY: ({ message, reason }) => message || reason,
};

const FIELDS: Columns<api.Datum> = {
  datum: ({ index }) => index,
  id: ({ id }) => id,
  job: ({ pipeline, job }) => `${job} of pipeline ${pipeline}`,
  state: ({ state }) => enumWord(api.DatumStateSchema, state),
  why: ({ message, reason }) => message || reason,
  progress: ({ progress }) => progress,
  inputs: ({ inputs }) => inputs.join(", "),
  tries: ({ tries, losses }) => (losses === 0 ? tries : `${tries}, and ${losses} lost with a worker`),
  worker: ({ worker }) => worker,
  started: ({ started }) => time(started),
  time: ({ stats }) => (stats === undefined ? "" : times(stats)),
  "bytes in": ({ stats }) => bytes(stats?.downloadBytes ?? 0n),
  "bytes out": ({ stats }) => bytes(stats?.uploadBytes ?? 0n),
};

function times({ downloadTime, processTime, uploadTime }: api.DatumStats): string {
  const stages = { download: downloadTime, command: processTime, upload: uploadTime };
  return Object.entries(stages)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${durationMs(value).toFixed(1)} ms`]))
    .join(", ");
}

interface JobFlag {
  readonly job?: string;
}

export function defineDatum(program: Command, session: Session): void {
  const datum = noun(program, "datum", "Datums of jobs: what each run of the command saw, and what became of it.");
  withJob(
    leaf(datum, {
      usage: "list <pipeline>",
      summary: "Lists the datums of a job, by index.",
      examples: ["sheaf datum list status-codes --state failed"],
    }),
  )
    .addOption(new Option("--state <states...>", "only these states").choices([...STATES.keys()]))
    .action(
      action<JobFlag & { state?: string[] }, [string]>(session, async (call, { job = "", state = [] }, pipeline) => {
        const client = await call.connect();
        const states = state.flatMap((word) => STATES.get(word) ?? []);
        await showRows(call, api.DatumSchema, client.datums({ pipeline, job, states }), COLUMNS);
      }),
    );
  withJob(
    leaf(datum, {
      usage: "inspect <pipeline> <datum>",
      summary: "Shows a datum, by its index, its id (the first 8 characters do), or a path that it reads.",
      examples: ["sheaf datum inspect status-codes 17"],
    }),
  ).action(
    action<JobFlag, [string, string]>(session, async (call, { job = "" }, pipeline, index) => {
      const { rpc } = await call.connect();
      const answer = await rpc.datum.inspectDatum({ pipeline, job, datum: index }, { signal: call.signal });
      showOne(call, api.DatumSchema, answer.datum, FIELDS);
    }),
  );
  withJob(
    leaf(datum, {
      usage: "restart <pipeline> <datum...>",
      summary:
        "Cancels datums that run, and runs them again: by index, id, or a path that they read. It costs none of their tries. " +
        "Datums that do not run are refused, and then none is restarted.",
      examples: ["sheaf datum restart status-codes 17", "sheaf datum restart status-codes /2026/access.log"],
    }),
  ).action(
    action<JobFlag, [string, string[]]>(session, async (call, { job = "" }, pipeline, named) => {
      const { rpc } = await call.connect();
      const { datums } = await rpc.datum.restartDatum({ pipeline, job, datums: named }, { signal: call.signal });
      for (const each of datums) {
        if (call.json) showOne(call, api.DatumSchema, each, {});
        say(call, `datum ${each.index} (${each.inputs.join(", ")}) begins again`);
      }
    }),
  );
  defineLogs(datum, session);
}

function withJob(command: Command): Command {
  return command.option("--job <id>", "the job (default: the newest)");
}
