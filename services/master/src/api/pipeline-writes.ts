// What creating or updating a pipeline writes. The input repos' records are put again, unchanged, in the same transaction, and
// compared: so a repo that is deleted at the same time is noticed by one of the two (see pipelines/readers.ts).

import { create, toBinary } from "@bufbuild/protobuf";
import type { ChangeOp, Compare } from "@sheaf/etcd";
import { type Kept, put, readRecord, readRecordOrNull, unchanged } from "@sheaf/ledger";
import { api, state } from "@sheaf/proto";
import { failedPrecondition, invalidArgument } from "@sheaf/runtime";
import type { World } from "../context.ts";
import { inputsOf, putSpec, SPEC_INLINE_BYTES_MAX, specOf } from "../pipelines/spec.ts";

export interface InputBump {
  readonly compare: readonly Compare[];
  readonly then: readonly ChangeOp[];
}

/** Compares and puts again the repos that the spec reads. FAILED_PRECONDITION when one does not exist. */
export async function bumpInputs({ etcd, keys }: World, spec: api.PipelineSpec): Promise<InputBump> {
  const repos = [...new Set(inputsOf(spec).map((input) => input.repo))];
  const kept = await Promise.all(
    repos.map(async (repo) => {
      const found = readRecordOrNull(state.RepoRecordSchema, await etcd.get(keys.repo(repo)));
      if (found !== null) return found;
      const text = `the input repo "${repo}" does not exist: create it first`;
      throw failedPrecondition("INPUT_REPO_MISSING", text, {
        details: [{ field: "input.pfs.repo", description: text }],
      });
    }),
  );
  return {
    compare: kept.map((repo) => unchanged(repo)),
    then: kept.map((repo) => put(repo.key, state.RepoRecordSchema, repo.record)),
  };
}

/** The record's half that holds the spec: in the record when it is small, else as an object. */
export async function specFields(
  { store }: World,
  spec: api.PipelineSpec,
): Promise<Partial<Pick<state.PipelineRecord, "spec" | "specObject">>> {
  const small = toBinary(api.PipelineSpecSchema, spec).length <= SPEC_INLINE_BYTES_MAX;
  return small ? { spec } : { specObject: await putSpec(store, spec) };
}

/**
 * Follows the inputs of `spec` upstream. INVALID_ARGUMENT names the cycle when the pipeline would read its own output.
 * Returns the pipelines that were followed: comparing them keeps another update from closing the cycle meanwhile.
 */
export async function refuseCycle(
  { etcd, keys, store }: World,
  name: string,
  spec: api.PipelineSpec,
): Promise<Compare[]> {
  const followed = new Map<string, Kept<state.PipelineRecord>>();
  const paths = inputsOf(spec).map((input) => [name, input.repo]);
  for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
    const at = path.at(-1) ?? "";
    if (at === name) throw cycle(path);
    if (followed.has(at)) continue;
    const kv = await etcd.get(keys.pipeline(at));
    if (kv === null) continue;
    const kept = readRecord(state.PipelineRecordSchema, kv);
    followed.set(at, kept);
    for (const input of inputsOf(await specOf(store, kept.record))) paths.push([...path, input.repo]);
  }
  return [...followed.values()].map((kept) => unchanged(kept));
}

function cycle(path: readonly string[]): Error {
  const text = `the pipelines would read each other's output in a circle: ${path.toReversed().join(" -> ")}`;
  return invalidArgument("PIPELINE_CYCLE", text, { details: [{ field: "input.pfs.repo", description: text }] });
}

/** The record of the output repo of a new pipeline. */
export function outputRepo(pipeline: string, record: state.PipelineRecord): state.RepoRecord {
  const description = `output of pipeline "${pipeline}"`;
  return create(state.RepoRecordSchema, {
    version: 1,
    description,
    pipeline,
    ...(record.created && { created: record.created }),
  });
}
