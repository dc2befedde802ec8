import type { dispatch } from "@sheaf/proto";
import type { Attempts } from "../core/attempts.ts";
import type { Partition } from "../core/partition.ts";
import type { ClaimView, LedgerProgress } from "../door.ts";

/** Where a ledger is, as others see it. */
export function progressOf(
  partition: Partition,
  attempts: Attempts,
  totals: dispatch.Totals,
  steals: number,
  msPerIndex: number | null,
): LedgerProgress {
  const claims: ClaimView[] = [];
  let claimed = 0;
  let finished = 0;
  for (const { id, worker, start, end, next, running, finished: count } of partition.claims.values()) {
    claims.push({ claim: id, worker, start, end, next, running });
    claimed += end - start;
    finished += count;
  }
  return {
    ...{ n: partition.n, done: partition.doneCount, claimed, finished, totals, claims, steals, msPerIndex },
    tries: attempts.open,
  };
}
