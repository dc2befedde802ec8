// What the commands of a job wrote, in datum order, as far as their runs are committed.

import { openRun, readLog, readRunRows } from "@sheaf/files";
import type { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import type { DoneRun } from "./done-runs.ts";

/** A line with whose it is. */
export interface DatumLine {
  readonly datum: bigint;
  readonly worker: string;
  readonly line: store.LogLine;
}

/** Indexes [from, to) of a job. */
export interface DatumRange {
  readonly from: number;
  readonly to: number;
}

export async function* logLines(
  source: Store,
  runs: readonly DoneRun[],
  range: DatumRange,
): AsyncGenerator<DatumLine, void, void> {
  for (const run of runs) {
    if (run.to <= range.from || run.from >= range.to) continue;
    for await (const row of rowsOf(source, run, range)) yield* linesOf(await readLog(source, row.log), row, run);
  }
}

/** The last `count` lines, in order. Runs are read from the last one back, and no more of them than needed. */
export async function lastLines(
  source: Store,
  runs: readonly DoneRun[],
  range: DatumRange,
  count: number,
): Promise<DatumLine[]> {
  let found: DatumLine[] = [];
  for (const run of runs.toReversed()) {
    if (run.to <= range.from || run.from >= range.to) continue;
    const rows: store.DatumRow[] = [];
    for await (const row of rowsOf(source, run, range)) if (row.log !== undefined) rows.push(row);
    for (const row of rows.reverse()) {
      found = [...linesOf(await readLog(source, row.log), row, run), ...found];
      if (found.length >= count) return found.slice(-count);
    }
  }
  return found;
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

function linesOf(lines: readonly store.LogLine[], row: store.DatumRow, run: DoneRun): DatumLine[] {
  return lines.map((line) => ({ datum: row.index, worker: run.worker, line }));
}
