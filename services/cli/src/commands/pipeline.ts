/** `sheaf pipeline`. */

import { enumWord, readSpec, readSpecText, specYaml } from "@sheaf/client";
import { api } from "@sheaf/proto";
import { invalidArgument, messageOf } from "@sheaf/runtime";
import type { Command } from "commander";
import { action, type Call, leaf, noun } from "../action.ts";
import { type Columns, say, showOne, showRows, time } from "../output/show.ts";
import type { Session } from "../session.ts";

const COLUMNS: Columns<api.Pipeline> = {
  NAME: ({ name }) => name,
  VERSION: ({ version }) => version,
  STATE: ({ state }) => enumWord(api.PipelineStateSchema, state),
  WORKERS: ({ workers }) => workers,
  "LAST JOB": lastJob,
  INPUT: ({ spec }) => inputOf(spec),
  CREATED: ({ created }) => time(created),
};

const FIELDS: Columns<api.Pipeline> = {
  name: ({ name }) => name,
  version: ({ version }) => version,
  state: ({ state, reason }) => `${enumWord(api.PipelineStateSchema, state)}${reason === "" ? "" : `: ${reason}`}`,
  workers: workersOf,
  "last job": lastJob,
  created: ({ created }) => time(created),
  updated: ({ updated }) => time(updated),
  etag: ({ etag }) => etag,
};

function workersOf({ workers, pool }: api.Pipeline): string {
  if (pool === undefined) return String(workers);
  const leaving = pool.draining === 0 ? "" : `, and ${pool.draining} that leave`;
  return `${pool.ready} of ${pool.wanted} wanted${leaving}, at most ${Math.min(pool.limit, pool.share)}: ${pool.reason}`;
}

function lastJob({ lastJobState }: api.Pipeline): string {
  return lastJobState === api.JobState.UNSPECIFIED ? "none" : enumWord(api.JobStateSchema, lastJobState);
}

function inputOf(spec: api.PipelineSpec | undefined): string {
  const pfs = spec?.input?.pfs;
  return pfs === undefined ? "" : `${pfs.repo}@${pfs.branch || "master"}:${pfs.glob}`;
}

export function definePipeline(program: Command, session: Session): void {
  const pipeline = noun(program, "pipeline", "Pipelines: what to run on which data.");
  defineWrites(pipeline, session);
  leaf(pipeline, {
    usage: "list",
    summary: "Lists pipelines by name.",
    examples: ["sheaf pipeline list --prefix web-"],
  })
    .option("--prefix <text>", "only names that begin with this")
    .action(
      action<{ prefix?: string }, []>(session, async (call, { prefix }) => {
        const client = await call.connect();
        await showRows(call, api.PipelineSchema, client.pipelines(prefix), COLUMNS);
      }),
    );
  leaf(pipeline, {
    usage: "inspect <name>",
    summary: "Shows a pipeline and its spec.",
    examples: ["sheaf pipeline inspect status-codes"],
  }).action(
    action<object, [string]>(session, async (call, _, name) => {
      const { rpc } = await call.connect();
      const answer = await rpc.pipeline.inspectPipeline({ name }, { signal: call.signal });
      showOne(call, api.PipelineSchema, answer.pipeline, FIELDS);
      if (answer.pipeline?.spec !== undefined) say(call, `spec:\n${specYaml(answer.pipeline.spec)}`);
    }),
  );
  defineSwitches(pipeline, session);
}

/** More than any pipeline file has. */
const STDIN_BYTES_MAX = 2 * 1024 * 1024;

async function specIn(file: string, { host, signal }: Call): Promise<api.PipelineSpec> {
  if (file !== "-") return readSpec(file, host.cwd);
  const text = await host.readStdin(STDIN_BYTES_MAX, signal).catch((error: unknown) => {
    throw invalidArgument(
      "SPEC_FILE_UNREADABLE",
      `cannot read the pipeline file on standard input: ${messageOf(error)}`,
    );
  });
  return readSpecText(text, "standard input", host.cwd);
}

function defineWrites(pipeline: Command, session: Session): void {
  leaf(pipeline, {
    usage: "create",
    summary: "Creates a pipeline from a file, YAML or JSON. When its input has a commit, its first job begins.",
    examples: ["sheaf pipeline create -f pipeline.yaml"],
  })
    .requiredOption("-f, --file <file>", "the pipeline file; - for standard input")
    .action(
      action<{ file: string }, []>(session, async (call, { file }) => {
        const spec = await specIn(file, call);
        const client = await call.connect();
        const made = await client.submit(spec, { signal: call.signal });
        if (call.json) showOne(call, api.PipelineSchema, made, FIELDS);
        say(call, `created pipeline ${made.name}`);
      }),
    );
  leaf(pipeline, {
    usage: "update",
    summary: "Replaces the spec of a pipeline by that of a file; the next job runs it.",
    examples: ["sheaf pipeline update -f pipeline.yaml"],
  })
    .requiredOption("-f, --file <file>", "the pipeline file; - for standard input")
    .option("--etag <etag>", "refuse when the pipeline has changed since it was read with this etag")
    .action(
      action<{ file: string; etag?: string }, []>(session, async (call, { file, etag = "" }) => {
        const spec = await specIn(file, call);
        const { rpc } = await call.connect();
        const answer = await rpc.pipeline.updatePipeline({ spec, etag }, { signal: call.signal });
        if (call.json) showOne(call, api.PipelineSchema, answer.pipeline, FIELDS);
        say(call, `pipeline ${answer.pipeline?.name} is at version ${answer.pipeline?.version}`);
      }),
    );
  leaf(pipeline, {
    usage: "delete <name>",
    summary: "Deletes a pipeline with its jobs and its output repo; a running job is stopped first.",
    examples: ["sheaf pipeline delete status-codes"],
  }).action(
    action<object, [string]>(session, async (call, _, name) => {
      const { rpc } = await call.connect();
      const answer = await rpc.pipeline.deletePipeline({ name }, { signal: call.signal });
      if (call.json) showOne(call, api.DeletePipelineResponseSchema, answer, {});
      say(call, `deleted pipeline ${name}`);
    }),
  );
}

function defineSwitches(pipeline: Command, session: Session): void {
  leaf(pipeline, {
    usage: "start <name>",
    summary: "Starts a stopped pipeline.",
    examples: ["sheaf pipeline start status-codes"],
  }).action(
    action<object, [string]>(session, async (call, _, name) => {
      const { rpc } = await call.connect();
      const answer = await rpc.pipeline.startPipeline({ name }, { signal: call.signal });
      if (call.json) showOne(call, api.PipelineSchema, answer.pipeline, FIELDS);
      say(call, `started pipeline ${name}`);
    }),
  );
  leaf(pipeline, {
    usage: "stop <name>",
    summary: "Stops a pipeline: its jobs are stopped, its workers leave, commits make no jobs.",
    examples: ["sheaf pipeline stop status-codes"],
  }).action(
    action<object, [string]>(session, async (call, _, name) => {
      const { rpc } = await call.connect();
      const answer = await rpc.pipeline.stopPipeline({ name }, { signal: call.signal });
      if (call.json) showOne(call, api.PipelineSchema, answer.pipeline, FIELDS);
      say(call, `stopped pipeline ${name}`);
    }),
  );
  leaf(pipeline, {
    usage: "run <name>",
    summary:
      "Makes a job of the newest input commits, also when they had one; datums that are done are skipped (reprocess_spec).",
    examples: ["sheaf pipeline run status-codes"],
  }).action(
    action<object, [string]>(session, async (call, _, name) => {
      const { rpc } = await call.connect();
      const answer = await rpc.pipeline.runPipeline({ name }, { signal: call.signal });
      if (call.json) showOne(call, api.JobSchema, answer.job, {});
      say(call, `job ${answer.job?.id} began: sheaf job wait ${name} ${answer.job?.id}`);
    }),
  );
}
