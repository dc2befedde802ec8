// What a job waits for, in words. Pure.

import type { api } from "@sheaf/proto";
import { isMerging, isTerminal } from "../jobs/states.ts";

export interface WaitingView {
  readonly state: api.JobState;
  /** What keeps etcd from serving; without it nothing else goes on. */
  readonly etcd: string | undefined;
  /** What the owner of the pipeline says; undefined: no owner here. */
  readonly owner: string | undefined;
  /** Workers of its pool that are connected. */
  readonly workers: number;
  /** What the pool is doing about it: "starting 2 workers". Empty: nothing. */
  readonly pool: string;
  /** Merge replicas that live. */
  readonly mergers: number;
}

export function waitingFor(view: WaitingView): string {
  if (isTerminal(view.state)) return "";
  if (view.etcd !== undefined) return view.etcd;
  if (view.owner === undefined) return "a master that owns the pipeline";
  if (view.owner !== "") return view.owner;
  if (isMerging(view.state) && view.mergers === 0) return "a merge replica: none is running";
  if (view.workers > 0) return "";
  return view.pool === "" ? "a worker: no worker is connected" : `a worker: no worker is connected (${view.pool})`;
}
