// The earlier jobs whose results a job may take over. They are fixed in its record before its plan is made, so that whoever
// plans again after a crash reads the same.
//
// A job that succeeded holds all that a later one can ask for: its own results, and those that it took over itself. One that
// failed, or was stopped, holds what it had finished; what it had not is looked for in those before it.

import { clone, create } from "@bufbuild/protobuf";
import { putMessage } from "@sheaf/files";
import { api, store } from "@sheaf/proto";
import { dataLoss, messageOf, SheafError } from "@sheaf/runtime";
import type { World } from "../context.ts";
import type { Jobs, KeptJob } from "../mirror/jobs.ts";
import { readArchive } from "./archive.ts";
import { runListOf } from "./run-list.ts";
import { isTerminal } from "./states.ts";

/** Jobs that did not succeed and are looked into; beside them, the newest that did. */
const UNFINISHED_MAX = 3;

export interface OlderJob {
  readonly id: string;
  readonly kept: KeptJob;
}

/** The jobs before this one, newest first. */
export function* olderJobs(jobs: Jobs, pipeline: string, id: string): Generator<OlderJob, void, void> {
  for (const older of jobs.ids(pipeline).toReversed()) {
    const kept = older < id ? jobs.get(pipeline, older) : undefined;
    if (kept !== undefined) yield { id: older, kept };
  }
}

/** Which of them to take results from, newest first. Those that are not over are left out: no job waits for another's results. */
export function chooseEarlier(older: Iterable<OlderJob>): OlderJob[] {
  const chosen: OlderJob[] = [];
  for (const job of older) {
    const { record } = job.kept;
    const succeeded = record.state === api.JobState.SUCCEEDED;
    if (holdsResults(job) && (succeeded || chosen.length < UNFINISHED_MAX)) chosen.push(job);
    if (succeeded) break;
  }
  return chosen;
}

function holdsResults({ kept: { record } }: OlderJob): boolean {
  if (!isTerminal(record.state) || record.state === api.JobState.INCONSISTENT) return false;
  const { succeeded = 0n, skipped = 0n } = record.totals ?? {};
  return succeeded + skipped > 0n && (record.runs !== undefined || record.archive !== undefined);
}

/** The input of the plan with the jobs in it. One whose archive is gone or damaged is left out: its datums are run. */
export async function withEarlier(
  { store: objects, log }: World,
  planned: store.WorkInput,
  chosen: readonly OlderJob[],
): Promise<{ readonly ref: store.ObjectRef; readonly from: readonly OlderJob[] }> {
  const input = clone(store.WorkInputSchema, planned);
  const from: OlderJob[] = [];
  for (const job of chosen) {
    try {
      const runs = await runsOf(objects, job);
      input.earlier.push(create(store.EarlierJobSchema, { job: job.id, runs }));
      from.push(job);
    } catch (error) {
      if (!(error instanceof SheafError) || error.code !== "DATA_LOSS") throw error;
      log.warn({ job: planned.job, earlier: job.id }, `nothing is taken over from an earlier job: ${messageOf(error)}`);
    }
  }
  return { ref: await putMessage(objects, "work", store.WorkInputSchema, input), from };
}

async function runsOf(objects: World["store"], { kept: { record } }: OlderJob): Promise<store.ObjectRef> {
  if (record.runs !== undefined) return record.runs;
  if (record.archive === undefined)
    throw dataLoss("REFERENCE_INVALID", "the job's record names neither runs nor archive");
  const { process } = await readArchive(objects, record.archive);
  const runs = process.flatMap(({ start, done }) =>
    done?.result === undefined ? [] : [{ from: start, to: done.end, table: done.result }],
  );
  return putMessage(objects, "runlists", store.RunListSchema, runListOf(runs));
}
