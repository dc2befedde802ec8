// The datums of a job in index order, as users see them: those of committed runs from the runs' rows, the others from the plan,
// STARTING where a worker holds them and WAITING elsewhere.

import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { openRun, PlanReader, readRunRows } from "@sheaf/files";
import { api, type store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import type { DoneRun } from "./done-runs.ts";

/** A claim that stands: its datums are in a worker's hands. */
export interface HeldInterval {
  readonly start: number;
  readonly end: number;
  readonly worker: string;
}

/** All that is known of a job's datums. */
export interface JobDatums {
  readonly pipeline: string;
  readonly job: string;
  readonly count: number;
  /** The job has ended: what is open stays so. */
  readonly isOver: boolean;
  readonly plan: store.PlanManifest | undefined;
  readonly runs: readonly DoneRun[];
  readonly held: readonly HeldInterval[];
  /** What open datums were tried, by index. */
  readonly tried: ReadonlyMap<number, OpenTries>;
  /** Those that run, by index, as far as the owner knows. */
  readonly running: ReadonlyMap<number, RunningDatum>;
}

/** A datum that runs. */
export interface RunningDatum {
  /** When its try began; milliseconds since 1970. */
  readonly startedMs: number;
  /** How far it says that it is; empty: it says nothing. */
  readonly progress: string;
}

/** User failures and lost workers, apart (L9). */
export interface OpenTries {
  readonly tries: number;
  readonly losses: number;
}

/** A datum, with its row when it is done: the row tells where its log lies. */
export interface DatumSeen {
  readonly datum: api.Datum;
  readonly row: store.DatumRow | undefined;
}

/** States that a row can have, with the count of a run that says whether it holds any. */
const COUNTED = [
  [api.DatumState.SUCCESS, "succeeded"],
  [api.DatumState.FAILED, "failed"],
  [api.DatumState.SKIPPED, "skipped"],
  [api.DatumState.RECOVERED, "recovered"],
] as const;

/**
 * Datums from `from` on. `states`: runs that certainly hold none of these are passed over unread, and the plan when none of them
 * is open; what comes is still to be filtered. Empty: all.
 */
export async function* datumsFrom(
  source: Store,
  datums: JobDatums,
  from: number,
  states: ReadonlySet<api.DatumState>,
): AsyncGenerator<DatumSeen, void, void> {
  let at = from;
  for (const run of datums.runs) {
    if (run.to <= at) continue;
    yield* openDatums(source, datums, at, run.from, states);
    if (mayHold(run, states)) yield* doneDatums(source, datums, run, Math.max(at, run.from));
    at = run.to;
  }
  yield* openDatums(source, datums, at, datums.count, states);
}

async function* doneDatums(source: Store, { pipeline, job }: JobDatums, run: DoneRun, from: number) {
  const table = await openRun(source, run.table);
  for await (const row of readRunRows(table, { from: BigInt(from) })) {
    yield { datum: doneView(pipeline, job, run.worker, row), row };
  }
}

async function* openDatums(
  source: Store,
  datums: JobDatums,
  from: number,
  to: number,
  states: ReadonlySet<api.DatumState>,
) {
  const { pipeline, job, plan, held, tried, running } = datums;
  const wanted = states.size === 0 || states.has(api.DatumState.WAITING) || states.has(api.DatumState.STARTING);
  if (plan === undefined || from >= to || !wanted) return;
  let index = from;
  for await (const planned of new PlanReader(source, plan).datums(BigInt(from), BigInt(to))) {
    const claim = held.find(({ start, end }) => start <= index && index < end);
    const state = claim === undefined ? api.DatumState.WAITING : api.DatumState.STARTING;
    const inputs = planned.inputs.map((input) => input.path);
    const view = { job, pipeline, index: BigInt(index), id: planned.id, state, worker: claim?.worker ?? "", inputs };
    const datum = create(api.DatumSchema, { ...view, ...tried.get(index) });
    if (datums.isOver) datum.message = "it was not done: the job ended before";
    const runs = claim && running.get(index);
    if (runs !== undefined) {
      datum.started = timestampFromMs(runs.startedMs);
      datum.progress = runs.progress;
    }
    yield { datum, row: undefined };
    index++;
  }
}

function mayHold({ counts }: DoneRun, states: ReadonlySet<api.DatumState>): boolean {
  return states.size === 0 || COUNTED.some(([state, count]) => states.has(state) && counts[count] > 0n);
}

function doneView(pipeline: string, job: string, worker: string, row: store.DatumRow): api.Datum {
  const { index, id, state, tries, losses, started, stats, reason, message, inputs } = row;
  const times = { ...(started && { started }), ...(stats && { stats }) };
  return create(api.DatumSchema, {
    job,
    pipeline,
    index,
    id,
    state,
    tries,
    losses,
    worker,
    inputs,
    reason,
    message,
    ...times,
  });
}
