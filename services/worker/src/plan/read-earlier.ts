// What earlier jobs have done with success, read once for a plan. A job whose runs are gone or damaged has done nothing as
// far as this plan is concerned: its datums are run.

import { getMessage, openRun, readRunRows } from "@sheaf/files";
import { store } from "@sheaf/proto";
import { failsForGood, type Logger, messageOf } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import { isDone } from "../process/skipped.ts";
import { EarlierIndex } from "./earlier-index.ts";

/** `wanted`: false once nobody needs it any more. */
export async function readEarlier(
  source: Store,
  earlier: readonly store.EarlierJob[],
  log: Logger,
  wanted: () => boolean,
): Promise<EarlierIndex> {
  const lists = await Promise.all(earlier.map((job) => orNothing(job, log, () => runsOf(source, job))));
  const datums = lists.map((runs) => Number(runs?.at(-1)?.to ?? 0n));
  const index = new EarlierIndex(datums);
  for (const [job, runs] of lists.entries()) {
    await orNothing(earlier[job] as store.EarlierJob, log, async () => {
      for (const run of runs ?? []) {
        if (index.isFull || !wanted()) return;
        await addRun(source, run, index, job);
      }
    });
  }
  return index;
}

async function runsOf(source: Store, { runs }: store.EarlierJob): Promise<readonly store.RunRef[]> {
  return runs === undefined ? [] : (await getMessage(source, store.RunListSchema, runs)).runs;
}

async function addRun(source: Store, { table }: store.RunRef, index: EarlierIndex, job: number): Promise<void> {
  if (table === undefined) return;
  for await (const row of readRunRows(await openRun(source, table))) {
    if (isDone(row)) index.add(row.id, job, Number(row.index));
  }
}

async function orNothing<T>({ job }: store.EarlierJob, log: Logger, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!failsForGood(error)) throw error;
    log.warn(
      { earlier: job },
      `not all results of an earlier job can be read, the rest is run again: ${messageOf(error)}`,
    );
    return undefined;
  }
}
