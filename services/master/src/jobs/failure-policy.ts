// How many datums may fail in a job that succeeds all the same. Pure.

import type { api, dispatch } from "@sheaf/proto";

/** What a share of the datums may be off by for want of exact fractions: 0.55 of 100 is 55.00000000000001. */
const ROUNDING = 1e-9;

/** Failed datums that the policy of a spec allows a job of `datums`. */
export function failuresAllowed(policy: api.FailurePolicy | undefined, datums: number): number {
  const { maxFailed, minSuccessRatio } = policy ?? {};
  if (maxFailed !== undefined) return Math.min(Number(maxFailed), datums);
  if (minSuccessRatio === undefined) return 0;
  return datums - Math.max(0, Math.ceil(minSuccessRatio * datums - ROUNDING));
}

/** With so many failed datums, and more than may fail, the job is certainly lost: the rest is not even tried (L10). */
const GIVE_UP_AFTER_FAILED = 1_000;

/** So many failed datums end the hand-out. */
export function givesUpAfter(mayFail: number): number {
  return Math.max(GIVE_UP_AFTER_FAILED, mayFail + 1);
}

/** What the record of a job says that goes on without some of its datums. */
export function missing(pipeline: string, job: string, { failed }: dispatch.Totals, datums: bigint) {
  if (failed === 0n) return { reason: "", message: "" };
  const many =
    failed === 1n ? "1 datum has failed and its output is" : `${failed} datums have failed and their output is`;
  const list = `sheaf datum list ${pipeline} --job ${job} --state failed`;
  const message = `${many} missing, of ${datums} datums: failure_policy allows it; which: ${list}`;
  return { reason: "DATUMS_MISSING", message };
}
