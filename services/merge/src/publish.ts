import { clone, create } from "@bufbuild/protobuf";
import type { ChangeOutcome, Compare } from "@sheaf/etcd";
import { absent, nowStamp, type Ownership, put, RECORD_VERSION, readRecord, unchanged } from "@sheaf/ledger";
import { api, state, type store } from "@sheaf/proto";
import { type JobKept, type MergeDeps, readJob } from "./merging-job.ts";

/** How a job ends. */
export type JobEnding =
  | {
      readonly kind: "publish";
      readonly manifest: store.ObjectRef;
      readonly rootHash: string;
      readonly files: bigint;
      readonly bytes: bigint;
      readonly shards: number;
    }
  | { readonly kind: "failed"; readonly reason: string; readonly message: string }
  | { readonly kind: "inconsistent"; readonly reason: string; readonly message: string };

type Published = "published" | "failed" | "over" | "lost";

/** Bytes of a message in a record. */
const MESSAGE_MAX = 2_000;

/**
 * Publishes in one transaction: epoch, job fence and parent head compared; commit, head and job put. So readers see the whole
 * old or the whole new commit, and a stop and a publish never both win.
 */
export async function publish(
  deps: MergeDeps,
  owner: Ownership,
  kept: JobKept,
  job: string,
  ending: JobEnding & { kind: "publish" },
): Promise<Published> {
  for (let fence: JobKept | null = kept; fence !== null; fence = await readJob(deps, kept.key)) {
    const head = await headOf(deps, owner, fence.record);
    if (head.kind === "moved") return endJob(deps, owner, fence, head);
    const outcome = await owner.submit({
      name: `publish ${job}`,
      compare: [unchanged(fence), head.compare],
      ops: publishOps(deps, owner, fence, job, ending),
    });
    if (outcome.kind === "applied") return "published";
    if (outcome.kind === "lost") return "lost";
    // Refused: the job or the head changed. Unknown, and sealed: the record says whether it was published. Read again.
  }
  return "over";
}

function publishOps(
  deps: MergeDeps,
  owner: Ownership,
  { key, record }: JobKept,
  job: string,
  ending: JobEnding & { kind: "publish" },
) {
  const { keys, clock } = deps;
  const { pipeline } = owner;
  const { manifest, rootHash, files, bytes, shards } = ending;
  const created = nowStamp(clock);
  const { outputBranch: branch, outputCommit: commit, parentCommit: parent } = record;
  const commitRecord = create(state.CommitRecordSchema, {
    version: RECORD_VERSION,
    branch,
    parent,
    manifest,
    rootHash,
    files,
    bytes,
    created,
    job,
    ...missing(record),
  });
  const head = create(state.HeadRecordSchema, { version: RECORD_VERSION, commit });
  const next = clone(state.JobRecordSchema, record);
  Object.assign(next, { state: api.JobState.SUCCEEDED, finished: created, manifest, shards });
  return [
    put(keys.commit(pipeline, commit), state.CommitRecordSchema, commitRecord),
    put(keys.head(pipeline, branch), state.HeadRecordSchema, head),
    put(key, state.JobRecordSchema, next),
  ];
}

/** What readers of the commit must know: datums that failed are not in it (failure_policy). */
function missing({ totals, datums }: state.JobRecord) {
  const failed = totals?.failed ?? 0n;
  if (failed === 0n) return {};
  return { datumsMissing: failed, description: `without ${failed} of ${datums} datums, which failed` };
}

interface FailedEnding {
  readonly reason: string;
  readonly message: string;
}

type Head = { readonly kind: "stands"; readonly compare: Compare } | ({ readonly kind: "moved" } & FailedEnding);

/** Whether the head of the output branch is still the parent that was fixed when the job began to merge. */
async function headOf(deps: MergeDeps, owner: Ownership, record: state.JobRecord): Promise<Head> {
  const key = deps.keys.head(owner.pipeline, record.outputBranch);
  const kv = await deps.etcd.get(key);
  const commit = kv === null ? "" : readRecord(state.HeadRecordSchema, kv).record.commit;
  if (commit === record.parentCommit)
    return { kind: "stands", compare: kv === null ? absent(key) : unchanged({ key, modRevision: kv.modRevision }) };
  const message = `the head of ${owner.pipeline}@${record.outputBranch} moved from ${record.parentCommit || "nothing"} to ${commit || "nothing"} while the job ran; run the pipeline again`;
  return { kind: "moved", reason: "HEAD_MOVED", message };
}

/** Ends a job without publishing, under the job fence. */
export async function endJob(
  deps: MergeDeps,
  owner: Ownership,
  kept: JobKept,
  ending: { readonly kind: string } & FailedEnding,
): Promise<Published> {
  for (let fence: JobKept | null = kept; fence !== null; fence = await readJob(deps, kept.key)) {
    const next = clone(state.JobRecordSchema, fence.record);
    next.state = ending.kind === "inconsistent" ? api.JobState.INCONSISTENT : api.JobState.FAILED;
    next.reason = ending.reason;
    next.message = ending.message.slice(0, MESSAGE_MAX);
    next.finished = nowStamp(deps.clock);
    const outcome: ChangeOutcome = await owner.submit({
      name: `end ${kept.key}`,
      compare: [unchanged(fence)],
      ops: [put(fence.key, state.JobRecordSchema, next)],
    });
    if (outcome.kind === "applied") return "failed";
    if (outcome.kind === "lost") return "lost";
  }
  return "over";
}
