import { create } from "@bufbuild/protobuf";
import { dispatch } from "@sheaf/proto";

const SUMMED = [
  "succeeded",
  "failed",
  "skipped",
  "recovered",
  "downloadBytes",
  "uploadBytes",
  "downloadMs",
  "processMs",
  "uploadMs",
  "outputBytes",
] as const satisfies readonly (keyof dispatch.Totals)[];

/** The sum over intervals; the first failure is the one with the lowest index. */
export function sumTotals(parts: Iterable<dispatch.Totals | undefined>): dispatch.Totals {
  const sum = create(dispatch.TotalsSchema);
  for (const part of parts) {
    if (part === undefined) continue;
    if (part.failed > 0n && (sum.failed === 0n || part.firstFailed < sum.firstFailed)) {
      sum.firstFailed = part.firstFailed;
      sum.firstFailedMessage = part.firstFailedMessage;
    }
    for (const field of SUMMED) sum[field] += part[field];
  }
  return sum;
}
