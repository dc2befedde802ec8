// Records as users see them.

import { create } from "@bufbuild/protobuf";
import { type Duration, durationFromMs } from "@bufbuild/protobuf/wkt";
import { api, type dispatch, type state } from "@sheaf/proto";
import type { LiveJob } from "../jobs/live.ts";
import { isTerminal } from "../jobs/states.ts";
import type { PoolStatus } from "../pools/status.ts";
import { etagOf } from "./etags.ts";

/** `revision` of its head: of the etcd key, never used twice. */
export function branchView(
  repo: string,
  name: string,
  { commit: head }: state.HeadRecord,
  revision: bigint,
): api.Branch {
  return create(api.BranchSchema, { repo, name, head, etag: etagOf(revision) });
}

export function repoView(name: string, record: state.RepoRecord, branches: readonly api.Branch[]): api.Repo {
  const { description, created, pipeline } = record;
  return create(api.RepoSchema, { name, description, pipeline, branches: [...branches], ...(created && { created }) });
}

export function commitView(repo: string, id: string, record: state.CommitRecord): api.Commit {
  const { branch, parent, description, files, bytes, rootHash, created, job, datumsMissing } = record;
  return create(api.CommitSchema, {
    repo,
    id,
    branch,
    parent,
    description,
    files,
    bytes,
    rootHash,
    job,
    datumsMissing,
    ...(created && { created }),
  });
}

export interface PipelineExtras {
  readonly etag: string;
  readonly workers: number;
  readonly lastJobState: api.JobState;
  /** Why it cannot run; undefined: it can. */
  readonly failing: string | undefined;
  readonly pool: PoolStatus | undefined;
}

export function pipelineView(
  record: state.PipelineRecord,
  spec: api.PipelineSpec,
  extras: PipelineExtras,
): api.Pipeline {
  const { failing, pool, ...rest } = extras;
  const running = failing === undefined ? api.PipelineState.RUNNING : api.PipelineState.FAILING;
  return create(api.PipelineSchema, {
    name: spec.pipeline?.name ?? "",
    spec,
    version: record.pipelineVersion,
    state: record.stopped ? api.PipelineState.STOPPED : running,
    reason: record.stopped ? "stopped by a user" : (failing ?? ""),
    ...(record.created && { created: record.created }),
    ...(record.updated && { updated: record.updated }),
    ...(pool && { pool }),
    ...rest,
  });
}

/** The contract's limit of Job.progress. */
const PROGRESS_SHOWN = 3;

export interface JobExtras {
  readonly pipeline: string;
  readonly id: string;
  readonly workers: number;
  readonly live: LiveJob | undefined;
  /** In the place of what nobody counts live. */
  readonly committed: dispatch.Totals | undefined;
  readonly waitingFor: string;
}

export function jobView(record: state.JobRecord, extras: JobExtras): api.Job {
  const { pipeline, id, workers, live, committed, waitingFor } = extras;
  const over = isTerminal(record.state);
  const totals = record.totals ?? live?.process?.totals ?? committed;
  const startedMs = record.started === undefined ? live?.handedOutMs : undefined;
  return create(api.JobSchema, {
    id,
    pipeline,
    pipelineVersion: record.pipelineVersion,
    state: record.state,
    reason: record.reason,
    message: record.message,
    dataTotal: record.datums,
    ...countsOf(totals),
    progress: over ? [] : progressOf(live),
    dataInFlight: over ? 0n : BigInt(live?.process?.claimed ?? 0),
    ...shardsOf(record, live),
    inputs: record.inputs.map(({ name, repo, branch, commit }) => ({ name, repo, branch, commit })),
    outputBranch: `${pipeline}@${record.outputBranch}`,
    outputCommit: record.outputCommit,
    // A job that is over looks the same at every master, also at one that does not own the pipeline.
    workers: over ? 0 : workers,
    waitingFor: over ? "" : waitingFor,
    ...(record.created && { created: record.created }),
    ...(record.started && { started: record.started }),
    ...(startedMs !== undefined && {
      started: { seconds: BigInt(Math.floor(startedMs / 1_000)), nanos: (startedMs % 1_000) * 1e6 },
    }),
    ...(record.finished && { finished: record.finished }),
  });
}

function countsOf(totals: dispatch.Totals | undefined) {
  return {
    dataProcessed: totals?.succeeded ?? 0n,
    dataSkipped: totals?.skipped ?? 0n,
    dataFailed: totals?.failed ?? 0n,
    dataRecovered: totals?.recovered ?? 0n,
    backups: totals?.backups ?? 0n,
    ...(totals && { stats: statsOf(totals) }),
  };
}

function statsOf(totals: dispatch.Totals) {
  return {
    downloadTime: duration(totals.downloadMs),
    processTime: duration(totals.processMs),
    uploadTime: duration(totals.uploadMs),
    downloadBytes: totals.downloadBytes,
    uploadBytes: totals.uploadBytes,
  };
}

/** What datums say that run: those that have run for longest, and no more than a line of text can hold. */
function progressOf(live: LiveJob | undefined): { datum: bigint; progress: string }[] {
  const claims = live?.process?.claims ?? [];
  return claims
    .flatMap(({ running }) => running)
    .filter(({ progress }) => progress !== undefined)
    .toSorted((a, b) => a.sinceMs - b.sinceMs)
    .slice(0, PROGRESS_SHOWN)
    .map(({ index, progress = "" }) => ({ datum: BigInt(index), progress }));
}

function shardsOf(record: state.JobRecord, live: LiveJob | undefined) {
  const shardsTotal = record.shards || (live?.merge?.total ?? 0);
  const published = record.state === api.JobState.SUCCEEDED;
  return { shardsTotal, shardsDone: published ? shardsTotal : (live?.merge?.done ?? 0) };
}

function duration(ms: bigint): Duration {
  return durationFromMs(Number(ms));
}
