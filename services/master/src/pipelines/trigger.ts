// Whether a pipeline makes a job now. Pure.
//
// Commits are coalesced: while the newest job is not planned, a new commit waits, and the next job takes the head as it is
// then. So a pipeline without workers collects a thousand commits in two jobs instead of a thousand, every commit is still
// part of some job's input (a commit holds the whole tree), and a job that has begun never changes what it pinned.

import type { api } from "@sheaf/proto";
import { hasPlanned } from "../jobs/states.ts";

/** Jobs of a pipeline that are not over. More commits wait: each open job costs an owner memory and etcd a ledger. */
export const OPEN_JOBS_MAX = 32;

export interface TriggerView {
  readonly stopped: boolean;
  /** Heads of the input branches; empty where a branch has no commit. */
  readonly heads: readonly string[];
  /** What the newest job pinned of the same branches; undefined where it had no such input. Null: no job yet. */
  readonly pinned: readonly (string | undefined)[] | null;
  /** State of the newest job. */
  readonly newest: api.JobState | null;
  /** Jobs that are not over. */
  readonly open: number;
}

export type Trigger = { readonly kind: "create" } | { readonly kind: "nothing"; readonly why: string };

export function decideTrigger(view: TriggerView): Trigger {
  if (view.stopped) return nothing("the pipeline is stopped");
  if (!view.heads.some((head, i) => head !== "" && head !== view.pinned?.[i]))
    return nothing("no input has a new commit");
  if (view.newest !== null && !hasPlanned(view.newest)) return nothing("the newest job is not planned yet");
  if (view.open >= OPEN_JOBS_MAX) return nothing(`${view.open} jobs are not over`);
  return { kind: "create" };
}

function nothing(why: string): Trigger {
  return { kind: "nothing", why };
}
