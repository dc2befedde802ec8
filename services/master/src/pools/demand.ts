// How many workers the open jobs of a pipeline could use. Pure: records and ledgers in, a number out.
//
// A worker more is worth it when there is a unit that nobody works on, and so much work that it is not over before the worker has
// started. How long a unit takes is what was observed, or what one has run for so far when that is longer; while nothing is known,
// every unit counts. A plan and a shard want a worker that runs no datum: the worker does them alone.

import type { LedgerProgress } from "@sheaf/ledger";
import { api, type state } from "@sheaf/proto";
import type { LiveJob } from "../jobs/live.ts";
import { isMerging, isTerminal } from "../jobs/states.ts";

/** A worker takes about a second to start: it is worth it for twice as much. */
const WORTH_MS = 2_000;
/** The same of a merge, in output bytes: what one shard should have. */
const WORTH_BYTES = 64 * 1024 * 1024;

/** What is left to do of a job. */
export interface JobWork {
  readonly job: string;
  readonly kind: "plan" | "process" | "merge";
  /** Plans, datums or shards that are neither done nor finished in a worker's hands. */
  readonly left: number;
  /** How many workers it is worth, by its amount of work alone. */
  readonly worth: number;
  /** Workers that run its datums. */
  readonly holders: readonly string[];
}

export interface Demand {
  /** Workers that could work now. */
  readonly useful: number;
  /** The oldest job that has work; "": none. Ids sort by creation. */
  readonly oldest: string;
  /** What there is to do, for people: "8 datums". Empty: nothing. */
  readonly what: string;
}

export const NO_DEMAND: Demand = { useful: 0, oldest: "", what: "" };

export interface JobView {
  readonly id: string;
  readonly record: state.JobRecord;
  /** What its owner knows beyond the record; undefined: not yet. */
  readonly live: LiveJob | undefined;
}

/** Undefined: nothing that a worker could do. `slots`: commands of a worker at a time. */
export function workOf({ id, record, live }: JobView, slots: number, nowMs: number): JobWork | undefined {
  if (isTerminal(record.state)) return undefined;
  if (record.state === api.JobState.PROCESSING) return processWork(id, record, live, slots, nowMs);
  if (isMerging(record.state)) return mergeWork(id, record, live);
  return { job: id, kind: "plan", left: 1, worth: 1, holders: [] };
}

/** Of one job after another: they share the workers. `stragglers` are those that an idle worker would back up. */
export function demandOf(works: readonly JobWork[], stragglers: number): Demand {
  // Jobs plan one after another.
  const plans = works.some(({ kind }) => kind === "plan") ? 1 : 0;
  const worth = (kind: JobWork["kind"]) => works.reduce((sum, each) => sum + (each.kind === kind ? each.worth : 0), 0);
  const holders = new Set(works.flatMap((each) => each.holders));
  const useful = plans + Math.max(worth("process"), holders.size) + worth("merge") + stragglers;
  const oldest = works.reduce((least, { job }) => (least === "" || job < least ? job : least), "");
  return { useful, oldest, what: describe(works, plans, stragglers) };
}

function processWork(
  job: string,
  record: state.JobRecord,
  live: LiveJob | undefined,
  slots: number,
  nowMs: number,
): JobWork | undefined {
  const progress = live?.process;
  if (progress === undefined) {
    const left = Number(record.datums);
    return left === 0 ? undefined : { job, kind: "process", left, worth: Math.ceil(left / slots), holders: [] };
  }
  const left = leftOf(progress);
  if (left === 0) return undefined;
  const running = progress.claims.flatMap((claim) => claim.running.map(({ sinceMs }) => nowMs - sinceMs));
  const known = progress.msPerIndex;
  const ms = known === null ? null : running.reduce((most, each) => Math.max(most, each), known);
  const byTime = ms === null ? left : Math.max(1, Math.ceil((left * ms) / slots / WORTH_MS));
  const holders = progress.claims.filter((claim) => claim.running.length > 0).map(({ worker }) => worker);
  return { job, kind: "process", left, worth: Math.min(Math.ceil(left / slots), byTime), holders };
}

/** Datums that nobody has begun, and those that run. */
function leftOf({ n, done, claimed, claims }: LedgerProgress): number {
  return claims.reduce(
    (sum, { start, end, next, running }) => sum + Math.max(0, end - Math.max(start, next)) + running.length,
    n - done - claimed,
  );
}

/** A worker merges one shard at a time, whatever its slots. */
function mergeWork(job: string, record: state.JobRecord, live: LiveJob | undefined): JobWork | undefined {
  const { total = 0, done = 0 } = live?.merge ?? {};
  if (total === 0) return { job, kind: "merge", left: 1, worth: 1, holders: [] }; // not cut yet
  const left = total - done;
  if (left <= 0) return undefined;
  const bytes = (Number(record.totals?.outputBytes ?? 0n) * left) / total;
  const worth = Math.min(left, Math.max(1, Math.ceil(bytes / WORTH_BYTES)));
  return { job, kind: "merge", left, worth, holders: [] };
}

function describe(works: readonly JobWork[], plans: number, stragglers: number): string {
  const sum = (kind: JobWork["kind"]) => works.reduce((all, each) => all + (each.kind === kind ? each.left : 0), 0);
  const parts = [
    counted(plans, "plan"),
    counted(sum("process"), "datum"),
    counted(sum("merge"), "shard"),
    counted(stragglers, "straggler"),
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function counted(count: number, word: string): string {
  return count === 0 ? "" : `${count} ${word}${count === 1 ? "" : "s"}`;
}
