// Sums over the datums of a run. Pure.

import { create } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { api, dispatch, type store } from "@sheaf/proto";
import { medianMs } from "../engine/median.ts";
import type { DatumResult } from "./drafts.ts";

export function totalsOf(results: readonly DatumResult[]): dispatch.Totals {
  const totals = create(dispatch.TotalsSchema);
  const times: number[] = [];
  // Of a skipped datum it is some microseconds; but without any, an owner knows nothing of what such datums cost.
  let [downloadMs, processMs, uploadMs] = [0, 0, 0];
  for (const { row, entries } of results) {
    count(totals, row);
    totals.downloadBytes += row.stats?.downloadBytes ?? 0n;
    totals.uploadBytes += row.stats?.uploadBytes ?? 0n;
    downloadMs += milliseconds(row.stats?.downloadTime);
    processMs += milliseconds(row.stats?.processTime);
    // What never ran took no time.
    if (row.started !== undefined) times.push(milliseconds(row.stats?.processTime));
    uploadMs += milliseconds(row.stats?.uploadTime);
    for (const entry of entries) totals.outputBytes += entry.size;
  }
  totals.downloadMs = BigInt(Math.ceil(downloadMs));
  totals.processMs = BigInt(Math.ceil(processMs));
  totals.uploadMs = BigInt(Math.ceil(uploadMs));
  totals.medianMs = medianMs(times);
  return totals;
}

/** Each datum is counted in one place. */
function count(totals: dispatch.Totals, { state, index, message }: store.DatumRow): void {
  switch (state) {
    case api.DatumState.SKIPPED:
      totals.skipped++;
      return;
    case api.DatumState.RECOVERED:
      totals.recovered++;
      return;
    case api.DatumState.FAILED:
      if (totals.failed++ > 0n) return;
      totals.firstFailed = index;
      totals.firstFailedMessage = message;
      return;
    default:
      totals.succeeded++;
  }
}

function milliseconds(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Number(duration.seconds) * 1_000 + duration.nanos / 1e6;
}
