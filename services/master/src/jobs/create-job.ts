// Makes a job: one transaction that pins the input commits. It compares the pipeline's record, so that a stop, a
// deletion or an update can not slip in between, and the heads, so that what is pinned is what stands.

import { create } from "@bufbuild/protobuf";
import type { ChangeOp, Compare } from "@sheaf/etcd";
import { putMessage } from "@sheaf/files";
import type { Ownership } from "@sheaf/ledger";
import { absent, type Kept, nowStamp, put, readRecordOrNull, unchanged } from "@sheaf/ledger";
import { api, state, store } from "@sheaf/proto";
import { newId } from "@sheaf/runtime";
import type { World } from "../context.ts";
import type { KeptJob } from "../mirror/jobs.ts";
import { writeGuarded } from "../pipelines/guarded.ts";
import { inputsOf } from "../pipelines/spec.ts";
import { jobIdAfter } from "./job-id.ts";

export interface NewJob {
  readonly ownership: Ownership;
  readonly pipeline: Kept<state.PipelineRecord>;
  readonly spec: api.PipelineSpec;
  /** The newest job so far. */
  readonly newest: string | undefined;
  /** Written with the job: the answer to a request with an id. */
  readonly answer?: (
    job: string,
    record: state.JobRecord,
  ) => Promise<{ readonly compare: readonly Compare[]; readonly then: readonly ChangeOp[] }>;
}

export type JobCreated =
  | { readonly kind: "created"; readonly id: string; readonly kept: KeptJob }
  /** The pipeline or a head has changed meanwhile: look again. */
  | { readonly kind: "moved" }
  | { readonly kind: "lost" };

export async function createJob(world: World, asked: NewJob): Promise<JobCreated> {
  const { keys, store: objects, clock, random } = world;
  const pipeline = asked.ownership.pipeline;
  const pinned = await Promise.all(inputsOf(asked.spec).map((input) => pin(world, input)));
  if (pinned.includes("gone")) return { kind: "moved" };
  const inputs = pinned.filter((each) => each !== "gone");

  const id = jobIdAfter(asked.newest, random, clock);
  const work = create(store.WorkInputSchema, {
    version: 1,
    job: id,
    pipeline,
    pipelineVersion: asked.pipeline.record.pipelineVersion,
    spec: asked.spec,
    outputCommit: newId(random, clock),
    inputs: inputs.map((each) => each.commit),
  });
  const record = create(state.JobRecordSchema, {
    version: 1,
    state: api.JobState.CREATED,
    pipelineVersion: work.pipelineVersion,
    input: await putMessage(objects, "work", store.WorkInputSchema, work),
    inputs: work.inputs,
    outputBranch: asked.spec.outputBranch,
    outputCommit: work.outputCommit,
    created: nowStamp(clock),
  });

  const key = keys.job(pipeline, id);
  const answer = await asked.answer?.(id, record);
  const outcome = await writeGuarded(world.etcd, asked.ownership, {
    name: `create job ${pipeline}/${id}`,
    compare: [
      absent(key),
      unchanged(asked.pipeline),
      ...inputs.map((each) => each.compare),
      ...(answer?.compare ?? []),
    ],
    ops: [put(key, state.JobRecordSchema, record), ...(answer?.then ?? [])],
    mark: key,
  });
  if (outcome.kind === "lost") return { kind: "lost" };
  if (outcome.kind === "refused") return { kind: "moved" };
  return {
    kind: "created",
    id,
    kept: { key, record, createRevision: outcome.revision, modRevision: outcome.revision },
  };
}

interface Pinned {
  readonly commit: store.InputCommit;
  readonly compare: Compare;
}

/** The head of a branch now, with its tree. "gone": its repo is being deleted. */
async function pin(
  { etcd, keys }: World,
  input: { name: string; repo: string; branch: string },
): Promise<Pinned | "gone"> {
  const headKey = keys.head(input.repo, input.branch);
  const head = readRecordOrNull(state.HeadRecordSchema, await etcd.get(headKey));
  if (head === null) return { commit: create(store.InputCommitSchema, input), compare: absent(headKey) };
  const commit = readRecordOrNull(
    state.CommitRecordSchema,
    await etcd.get(keys.commit(input.repo, head.record.commit)),
  );
  if (commit?.record.manifest === undefined) return "gone";
  const { manifest } = commit.record;
  return {
    commit: create(store.InputCommitSchema, { ...input, commit: head.record.commit, manifest }),
    compare: unchanged(head),
  };
}
