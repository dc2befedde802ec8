// The committed runs of a job, wherever they stand: in etcd while the job goes on, in its archive afterwards.

import type { state, store } from "@sheaf/proto";
import type { World } from "../context.ts";
import { readArchive, readDones } from "../jobs/archive.ts";

/** A committed interval, with what is needed to read its rows or to pass it over. */
export interface DoneRun {
  readonly from: number;
  readonly to: number;
  readonly table: store.TableRef;
  readonly worker: string;
  readonly counts: {
    readonly succeeded: bigint;
    readonly failed: bigint;
    readonly skipped: bigint;
    readonly recovered: bigint;
  };
}

/** In datum order. */
export async function doneRuns(world: World, job: string, record: state.JobRecord): Promise<DoneRun[]> {
  const intervals =
    record.archive === undefined
      ? await readDones(world, job, "process")
      : (await readArchive(world.store, record.archive)).process;
  return intervals.flatMap(({ start, done }) => {
    if (done?.result === undefined || done.totals === undefined) return [];
    return [
      { from: Number(start), to: Number(done.end), table: done.result, worker: done.worker, counts: done.totals },
    ];
  });
}
