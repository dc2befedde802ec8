// What the commands of a job wrote, in datum order, as far as their runs are committed.

import { openRun, readLog, readRunRows } from "@sheaf/files";
import type { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import type { DoneRun } from "./done-runs.ts";
import { type DatumLine, type DatumRange, isLineWanted, isOfWorker, type LogFilter } from "./log-filter.ts";

/** Bytes of the lines that are in memory for the end of a log. */
const LAST_BYTES_MAX = 16 * 1024 * 1024;
const LINE_OVERHEAD = 128;

/** The log of one datum that is done, with all its lines. */
export interface DatumLog {
  readonly index: number;
  readonly worker: string;
  /** Tells the logs of one worker apart. */
  readonly log: bigint;
  readonly lines: Iterable<store.LogLine>;
}

/** The logs of a run that can hold what is asked for; datums without any are left out. Memory: one log. */
export async function* logsOf(source: Store, run: DoneRun, filter: LogFilter): AsyncGenerator<DatumLog, void, void> {
  if (!mayHold(run, filter)) return;
  for await (const row of rowsOf(source, run, filter.range)) if (row.log !== undefined) yield logOf(source, row, run);
}

export async function* logLines(
  source: Store,
  runs: readonly DoneRun[],
  filter: LogFilter,
): AsyncGenerator<DatumLine, void, void> {
  for (const run of runs) for await (const log of logsOf(source, run, filter)) yield* wanted(log, filter);
}

/**
 * The last `count` lines, in order, or as many of them as 16 MiB hold. Runs are read from the last one back, and no more of them than
 * needed.
 */
export async function lastLines(
  source: Store,
  runs: readonly DoneRun[],
  filter: LogFilter,
  count: number,
): Promise<DatumLine[]> {
  const found: DatumLine[] = []; // from the last one back
  let bytes = 0;
  for (const run of runs.toReversed()) {
    if (!mayHold(run, filter)) continue;
    const rows: store.DatumRow[] = [];
    for await (const row of rowsOf(source, run, filter.range)) if (row.log !== undefined) rows.push(row);
    for (const row of rows.reverse()) {
      const last = lastOf(wanted(await logOf(source, row, run), filter), count - found.length);
      for (const line of last.reverse()) {
        bytes += line.line.text.length + LINE_OVERHEAD;
        if (bytes > LAST_BYTES_MAX) return found.reverse();
        found.push(line);
      }
      if (found.length === count) return found.reverse();
    }
  }
  return found.reverse();
}

async function logOf(source: Store, row: store.DatumRow, { worker }: DoneRun): Promise<DatumLog> {
  return { index: Number(row.index), worker, log: row.log?.log ?? 0n, lines: await readLog(source, row.log) };
}

function mayHold({ from, to, worker }: DoneRun, filter: LogFilter): boolean {
  return to > filter.range.from && from < filter.range.to && isOfWorker(filter, worker);
}

function* wanted({ index, worker, lines }: DatumLog, filter: LogFilter): Generator<DatumLine, void, void> {
  for (const line of lines) if (isLineWanted(filter, line)) yield { datum: index, worker, line };
}

function lastOf<T>(all: Iterable<T>, count: number): T[] {
  let last: T[] = [];
  for (const each of all) if (last.push(each) >= 2 * count) last = last.slice(-count);
  return last.slice(-count);
}

async function* rowsOf(
  source: Store,
  run: DoneRun,
  { from, to }: DatumRange,
): AsyncGenerator<store.DatumRow, void, void> {
  yield* readRunRows(await openRun(source, run.table), {
    from: BigInt(Math.max(from, run.from)),
    to: BigInt(Math.min(to, run.to)),
  });
}
