// States of a job, and which of them are over.

import { api } from "@sheaf/proto";

const { JobState } = api;

export function isTerminal(state: api.JobState): boolean {
  return (
    state === JobState.SUCCEEDED ||
    state === JobState.FAILED ||
    state === JobState.STOPPED ||
    state === JobState.INCONSISTENT
  );
}

/** Its datums are laid out, or never will be: the job after it may plan. */
export function hasPlanned(state: api.JobState): boolean {
  return state !== JobState.CREATED && state !== JobState.PLANNING;
}

/** The merge replica has it. */
export function isMerging(state: api.JobState): boolean {
  return state === JobState.MERGING || state === JobState.PUBLISHING;
}

/** "MERGING": as the contract and every message spell it. */
export function stateName(state: api.JobState): string {
  return api.JobStateSchema.value[state]?.name.replace("JOB_STATE_", "") ?? String(state);
}
