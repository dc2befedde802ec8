// The end of a pipeline whose jobs are all at rest: its record, its jobs, and its output repo with branches and commits go in
// one transaction. The objects stay until they are swept.

import type { Ownership } from "@sheaf/ledger";
import { readRecordOrNull, unchanged } from "@sheaf/ledger";
import { state } from "@sheaf/proto";
import { aborted, failedPrecondition, notFound } from "@sheaf/runtime";
import type { World } from "../context.ts";
import { settle } from "../settle.ts";
import { readersOf } from "./readers.ts";

export async function deletePipeline(world: World, ownership: Ownership): Promise<void> {
  const { etcd, keys } = world;
  const name = ownership.pipeline;
  const [pipelineKv, repoKv] = await Promise.all([etcd.get(keys.pipeline(name)), etcd.get(keys.repo(name))]);
  const pipeline = readRecordOrNull(state.PipelineRecordSchema, pipelineKv);
  const repo = readRecordOrNull(state.RepoRecordSchema, repoKv);
  if (pipeline === null || repo === null) throw notFound("PIPELINE_NOT_FOUND", `there is no pipeline "${name}"`);
  await refuseWhenRead(world, name);
  // Not through `submit`, which knows no prefixes. No job is left, so nothing else is written meanwhile (L1).
  const outcome = await settle(world, {
    what: `delete pipeline "${name}"`,
    compare: [...ownership.guard(), unchanged(pipeline), unchanged(repo)],
    then: [
      { delete: pipeline.key },
      { delete: repo.key },
      { deletePrefix: keys.heads(name) },
      { deletePrefix: keys.commits(name) },
      { deletePrefix: keys.jobs(name) },
    ],
    mark: pipeline.key,
  });
  if (outcome.kind !== "applied")
    throw aborted("PIPELINE_CHANGED", `pipeline "${name}" was changed meanwhile: try again`);
}

/** Throws FAILED_PRECONDITION when a pipeline reads what this one writes. */
export async function refuseWhenRead(world: World, name: string): Promise<void> {
  const readers = (await readersOf(world, name)).filter((reader) => reader !== name);
  if (readers.length === 0) return;
  const text = `pipeline "${name}" cannot be deleted: its output is read by ${readers.map((each) => `"${each}"`).join(", ")}`;
  throw failedPrecondition("OUTPUT_IS_READ", `${text}; delete those first`, {
    metadata: { readers: readers.join(",") },
  });
}
