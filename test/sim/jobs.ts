/** The record of a job, as the simulated masters, merge replicas and users read and write it: under the job fence. */
import { create } from "@bufbuild/protobuf";
import type { Etcd } from "@sheaf/etcd";
import { type Kept, RECORD_VERSION, readRecordOrNull } from "@sheaf/ledger";
import { api, state } from "@sheaf/proto";

export const PIPELINE = "pipe";

export type JobKept = Kept<state.JobRecord>;

export const { JobState } = api;

/** A job of a history. */
export interface JobPlan {
  readonly id: string;
  readonly datums: number;
  readonly shards: number;
  readonly giveUpAfterFailed: number;
  readonly speculation: boolean;
}

const TERMINAL: ReadonlySet<api.JobState> = new Set([
  JobState.SUCCEEDED,
  JobState.FAILED,
  JobState.STOPPED,
  JobState.INCONSISTENT,
]);

export function isTerminal(of: api.JobState): boolean {
  return TERMINAL.has(of);
}

/** "MERGING". */
export function stateName(of: api.JobState): string {
  return api.JobStateSchema.value[of]?.name.replace("JOB_STATE_", "") ?? String(of);
}

export function newJob(of: api.JobState): state.JobRecord {
  return create(state.JobRecordSchema, { version: RECORD_VERSION, state: of });
}

export async function readJob(etcd: Etcd, key: string): Promise<JobKept> {
  const kept = readRecordOrNull(state.JobRecordSchema, await etcd.get(key));
  if (kept === null) throw new Error(`${key} is gone, and nobody deletes jobs`);
  return kept;
}

/** The record in another state. */
export function moved({ record }: JobKept, to: api.JobState, message = ""): state.JobRecord {
  return create(state.JobRecordSchema, { ...record, state: to, message });
}
