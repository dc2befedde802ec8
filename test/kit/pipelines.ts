// What tests do with the public API, in few words.

import assert from "node:assert/strict";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { isTerminal, type Tree } from "./tree.ts";

/** Puts files into a repo, which is made when it is missing, as one commit; those of `deletes` are removed first. */
export async function putFiles(
  connection: Connection,
  repo: string,
  files: Tree,
  deletes: readonly string[] = [],
): Promise<api.Commit> {
  await connection.client(api.RepoService).createRepo({ name: repo }).catch(ifExists);
  const { commit } = await connection.client(api.FileService).modifyFiles(steps(repo, files, deletes));
  assert.ok(commit);
  return commit;
}

function ifExists(error: { code?: string }): void {
  if (error.code !== "ALREADY_EXISTS") throw error;
}

async function* steps(
  repo: string,
  files: Tree,
  deletes: readonly string[],
): AsyncGenerator<MessageInitShape<typeof api.ModifyFilesRequestSchema>> {
  yield { message: { case: "open", value: { repo } } };
  for (const path of deletes) yield { message: { case: "delete", value: { path } } };
  for (const [path, content] of files) {
    const file = { path, content: typeof content === "string" ? Buffer.from(content) : content };
    yield { message: { case: "batch", value: { files: [file] } } };
  }
  yield { message: { case: "finish", value: {} } };
}

export interface PipelineOptions {
  readonly name: string;
  readonly repo: string;
  readonly glob: string;
  /** Run by sh. */
  readonly script: string;
  readonly workers?: number;
  readonly merge?: api.MergeStrategy;
  /** Instead of the script. */
  readonly cmd?: string[];
  /** More of the transform, and of the spec. */
  readonly transform?: Exclude<MessageInitShape<typeof api.TransformSchema>, api.Transform>;
  readonly spec?: Exclude<MessageInitShape<typeof api.PipelineSpecSchema>, api.PipelineSpec>;
}

function specOf(options: PipelineOptions): api.PipelineSpec {
  const { name, repo, glob, script, workers = 1, merge = api.MergeStrategy.CONCAT } = options;
  return create(api.PipelineSpecSchema, {
    pipeline: { name },
    input: { pfs: { repo, glob } },
    transform: { cmd: options.cmd ?? ["sh", "-c", script], ...options.transform },
    parallelismSpec: { constant: BigInt(workers) },
    merge: { strategy: merge },
    ...options.spec,
  });
}

export async function createPipeline(connection: Connection, options: PipelineOptions): Promise<void> {
  await connection.client(api.PipelineService).createPipeline({ spec: specOf(options) });
}

export async function updatePipeline(connection: Connection, options: PipelineOptions): Promise<void> {
  await connection.client(api.PipelineService).updatePipeline({ spec: specOf(options) });
}

/** The newest job of a pipeline, when there is one. */
export async function newestJob(connection: Connection, pipeline: string): Promise<api.Job> {
  const { job } = await connection.client(api.JobService).inspectJob({ pipeline });
  assert.ok(job);
  return job;
}

/** The end of the job that a commit on its only input makes. */
export async function jobOf(connection: Connection, pipeline: string, commit: api.Commit): Promise<api.Job> {
  return waitJob(connection, pipeline, ({ state, inputs }) => isTerminal(state) && inputs[0]?.commit === commit.id);
}

/** Watches a job to its end. A broken stream is opened again. */
export async function waitJob(
  connection: Connection,
  pipeline: string,
  until: (job: api.Job) => boolean = ({ state }) => isTerminal(state),
): Promise<api.Job> {
  for (;;) {
    try {
      for await (const { job } of connection.client(api.JobService).watchJob({ pipeline })) {
        if (job !== undefined && until(job)) return job;
      }
    } catch (error) {
      const code = (error as { code?: string }).code;
      // The master is away, or has not seen the commit yet.
      if (code !== "UNAVAILABLE" && code !== "NOT_FOUND") throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** All files of a commit. */
export async function readFiles(connection: Connection, repo: string, ref = "master"): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  let big: { path: string; chunks: Uint8Array[] } | null = null;
  for await (const { message } of connection.client(api.FileService).getFiles({ commit: { repo, ref } })) {
    if (message.case === "batch")
      for (const file of message.value.files) files.set(file.path, Buffer.from(file.content));
    else if (message.case === "begin") big = { path: message.value.path, chunks: [] };
    else if (message.case === "chunk") big?.chunks.push(message.value);
    else if (message.case === "end" && big !== null) files.set(big.path, Buffer.concat(big.chunks));
  }
  return files;
}

/** Runs a pipeline over what its repo holds, and gives the end of its first job. */
export async function runPipeline(connection: Connection, options: PipelineOptions): Promise<api.Job> {
  await createPipeline(connection, options);
  return waitJob(connection, options.name);
}

/** "SUCCEEDED": and the message when it is not. */
export function assertSucceeded(job: api.Job): void {
  assert.equal(job.state, api.JobState.SUCCEEDED, `state ${job.state}, ${job.reason}: ${job.message}`);
}
