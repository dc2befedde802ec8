// What the owner of a pipeline does next with one of its jobs. Pure: record, ledgers and clock in, one step out.
//
//     CREATED -> PLANNING -> PROCESSING -> MERGING (-> PUBLISHING) -> SUCCEEDED
//        |           |            |           |
//        +-----------+------------+-----------+--> FAILED | STOPPED | INCONSISTENT, then archived
//
// J1. The record in etcd is the truth, and each step is a function of it and of ledgers that stand in etcd as well: an owner
//     that starts in the middle takes the same steps and redoes nothing that is done.
// J2. From MERGING on the merge replica decides. The owner only looks on, and archives after the end.
// J3. A terminal state never changes. What is left to do after it (close, archive, delete) may be done again.
// J4. Jobs plan in order and publish in order: job k plans when job k-1 has planned, and merges when job k-1 is over.

import { api, type dispatch } from "@sheaf/proto";
import { hasPlanned, isMerging, isTerminal } from "./states.ts";

const { JobState } = api;

/** A ledger of the job, as its owner sees it. */
export type LedgerView =
  /** Not opened by this owner (yet). */
  | { readonly kind: "shut" }
  | { readonly kind: "open" }
  /** `gaveUp`: hand-out stopped because too much had failed (L10). */
  | { readonly kind: "over"; readonly gaveUp: boolean; readonly totals: dispatch.Totals }
  | { readonly kind: "inconsistent"; readonly message: string };

export interface JobView {
  readonly state: api.JobState;
  /** Datums, from PROCESSING on. */
  readonly datums: number;
  /** Of which so many may fail (failure_policy). */
  readonly mayFail: number;
  readonly archived: boolean;
  /** `started` is in the record. */
  readonly startNoted: boolean;
  /** When its first datum was handed out, as far as this owner saw it; milliseconds since 1970. */
  readonly handedOutMs: number | undefined;
  readonly createdMs: number;
  readonly timeoutMs: number | undefined;
  readonly plan: LedgerView;
  readonly process: LedgerView;
  /** A user has stopped the pipeline, or deletes it. */
  readonly pipelineStopped: boolean;
  /** The job before it; null when there is none. */
  readonly before: {
    readonly id: string;
    readonly state: api.JobState;
    /** Its runs are named by its record, or by its archive: what it has finished can be taken over. */
    readonly isReadable: boolean;
  } | null;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

export type JobEnd = {
  readonly kind: "end";
  readonly state: api.JobState;
  readonly reason: string;
  readonly message: string;
};

export type JobStep =
  /** Nothing to do before something changes; `atMs`: or before this time. `waitingFor`: for people, empty while it runs. */
  | { readonly kind: "wait"; readonly waitingFor: string; readonly atMs?: number }
  /** Fix the earlier jobs that results are taken over from; the record says PLANNING. */
  | { readonly kind: "start-planning" }
  | { readonly kind: "open-plan" }
  /** Read the plan that a worker made; the record says PROCESSING. */
  | { readonly kind: "process" }
  /** Go on with a process ledger that an owner before us opened. */
  | { readonly kind: "open-process" }
  | { readonly kind: "note-start"; readonly startedMs: number }
  /** Fix the parent commit and the run list; the record says MERGING. */
  | { readonly kind: "merge" }
  | { readonly kind: "fail-datums"; readonly totals: dispatch.Totals; readonly mayFail: number }
  | JobEnd
  | { readonly kind: "close" }
  | { readonly kind: "archive" }
  /** Nothing is left to do. */
  | { readonly kind: "rest" };

/** The start is noted by the next change of state; a job that takes longer gets a write for it. */
export const NOTE_START_AFTER_MS = 2_000;

export function decide(job: JobView): JobStep {
  if (isTerminal(job.state)) return afterTheEnd(job);
  if (job.pipelineStopped) return end(JobState.STOPPED, "PIPELINE_STOPPED", "its pipeline was stopped");
  const timeoutAtMs = job.timeoutMs === undefined ? undefined : job.createdMs + job.timeoutMs;
  if (timeoutAtMs !== undefined && job.nowMs >= timeoutAtMs) return timedOut(job);
  const step = next(job);
  return step.kind === "wait" ? { ...step, ...earliest(step.atMs, timeoutAtMs) } : step;
}

function next(job: JobView): JobStep {
  switch (job.state) {
    case JobState.CREATED:
      return created(job);
    case JobState.PLANNING:
      return planning(job);
    case JobState.PROCESSING:
      return processing(job);
    default:
      // J2, and a state of a newer program: hands off.
      return { kind: "wait", waitingFor: "" };
  }
}

function created({ before }: JobView): JobStep {
  if (before !== null && !hasPlanned(before.state)) {
    return { kind: "wait", waitingFor: `job ${before.id}, the one before it, to be planned` }; // J4
  }
  // It lasts for as long as its owner takes to archive it; what it has finished need not be done again.
  if (before !== null && isTerminal(before.state) && !before.isReadable) {
    return { kind: "wait", waitingFor: `job ${before.id}, the one before it, to be archived` };
  }
  return { kind: "start-planning" };
}

function planning({ plan }: JobView): JobStep {
  switch (plan.kind) {
    case "shut":
      return { kind: "open-plan" };
    case "open":
      return { kind: "wait", waitingFor: "" };
    case "inconsistent":
      return end(JobState.INCONSISTENT, "LEDGER_INCONSISTENT", plan.message);
    case "over":
      if (plan.totals.failed === 0n) return { kind: "process" };
      return end(JobState.FAILED, "PLAN_FAILED", `the datums could not be laid out: ${plan.totals.firstFailedMessage}`);
  }
}

function processing(job: JobView): JobStep {
  const { process } = job;
  if (job.datums === 0) return whenItsTurn(job);
  switch (process.kind) {
    case "shut":
      return { kind: "open-process" };
    case "open":
      return whileOpen(job);
    case "inconsistent":
      return end(JobState.INCONSISTENT, "LEDGER_INCONSISTENT", process.message);
    case "over":
      // What is left over when hand-out has stopped was never run: then the policy is broken (L10).
      if (process.gaveUp || process.totals.failed > job.mayFail)
        return { kind: "fail-datums", totals: process.totals, mayFail: job.mayFail };
      return whenItsTurn(job);
  }
}

function whileOpen({ startNoted, handedOutMs, nowMs }: JobView): JobStep {
  if (startNoted || handedOutMs === undefined) return { kind: "wait", waitingFor: "" };
  const dueMs = handedOutMs + NOTE_START_AFTER_MS;
  return nowMs >= dueMs
    ? { kind: "note-start", startedMs: handedOutMs }
    : { kind: "wait", waitingFor: "", atMs: dueMs };
}

function whenItsTurn({ before }: JobView): JobStep {
  if (before === null || isTerminal(before.state)) return { kind: "merge" }; // J4
  return { kind: "wait", waitingFor: `job ${before.id}, the one before it, to end: jobs publish in order` };
}

function afterTheEnd(job: JobView): JobStep {
  if (job.plan.kind === "open" || job.process.kind === "open") return { kind: "close" };
  return job.archived ? { kind: "rest" } : { kind: "archive" }; // J3
}

function timedOut(job: JobView): JobStep {
  // The fence decides between this and a publish: both never win.
  const doing = isMerging(job.state) ? "its output was merged" : "it ran";
  const seconds = (job.timeoutMs ?? 0) / 1_000;
  return end(
    JobState.FAILED,
    "JOB_TIMEOUT",
    `job_timeout of ${seconds} s was over while ${doing}; nothing was published`,
  );
}

function end(state: api.JobState, reason: string, message: string): JobEnd {
  return { kind: "end", state, reason, message };
}

function earliest(...times: readonly (number | undefined)[]): { atMs?: number } {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? {} : { atMs: Math.min(...known) };
}
