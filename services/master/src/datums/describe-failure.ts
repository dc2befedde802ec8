// Why a job with failed datums failed, in words: which datum was the first, what it saw, what it said, how to see its log.

import { openRun, readRunRows } from "@sheaf/files";
import type { DoneInterval } from "@sheaf/ledger";
import { api, type dispatch, type store } from "@sheaf/proto";
import { SheafError } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";

export interface DatumsFailed {
  readonly state: api.JobState;
  readonly reason: string;
  readonly message: string;
}

export async function describeFailure(
  source: Store,
  { pipeline, job, mayFail }: { readonly pipeline: string; readonly job: string; readonly mayFail: number },
  totals: dispatch.Totals,
  done: readonly DoneInterval[],
): Promise<DatumsFailed> {
  const index = totals.firstFailed;
  const row = await firstFailedRow(source, done, Number(index));
  const inputs = row === undefined || row.inputs.length === 0 ? "" : ` (${row.inputs.join(", ")})`;
  const why = row?.message || row?.reason || totals.firstFailedMessage;
  const many = totals.failed === 1n ? "1 datum failed" : `${totals.failed} datums failed, the first of them`;
  const log = `sheaf datum logs ${pipeline} --job ${job} --datum ${index}`;
  const policy = mayFail === 0 ? "" : `; failure_policy allows ${mayFail}`;
  const message = `${many}: datum ${index}${inputs}: ${why}${policy}; nothing was published; its log: ${log}`;
  return { state: api.JobState.FAILED, reason: "DATUM_FAILED", message };
}

/** Its row in its run; undefined when that cannot be read: the job fails all the same, and says what is known. */
async function firstFailedRow(
  source: Store,
  done: readonly DoneInterval[],
  index: number,
): Promise<store.DatumRow | undefined> {
  const interval = done.find(({ start, end }) => start <= index && index < end);
  if (interval === undefined) return undefined;
  try {
    const run = await openRun(source, interval.result);
    for await (const row of readRunRows(run, { from: BigInt(index), to: BigInt(index) + 1n })) return row;
    return undefined;
  } catch (error) {
    if (error instanceof SheafError && error.code === "DATA_LOSS") return undefined;
    throw error;
  }
}
