import { create } from "@bufbuild/protobuf";
import { dispatch, type store } from "@sheaf/proto";
import { messageOf, SheafError } from "@sheaf/runtime";
import type { LedgerKind } from "../door.ts";
import { WORK_KIND } from "../ledger-records.ts";
import type { EtcdLedger } from "../owner/etcd-ledger.ts";
import type { CommitOutcome } from "../owner/ledger-outcomes.ts";
import type { WorkerSession } from "./worker-session.ts";

/**
 * Reads the header of a result and checks that all that the result refers to is in the store (L4). Rejects with a SheafError:
 * NOT_FOUND, DATA_LOSS or INVALID_ARGUMENT when the result is not what it should be, another code when the store does not answer.
 */
export type VerifyResult = (kind: LedgerKind, result: store.TableRef) => Promise<store.ResultHeader>;

type Answer =
  | { readonly case: "committed"; readonly value: dispatch.Committed }
  | { readonly case: "refused"; readonly value: dispatch.Refused };

/** L4: checks a commit, verifies its result, and writes it. The answer says what is still the worker's. */
export async function takeCommit(
  verify: VerifyResult,
  session: WorkerSession,
  ledger: EtcdLedger | null,
  commit: dispatch.Commit,
): Promise<Answer> {
  const { claim, fence, attempt, result, totals } = commit;
  if (ledger === null) return refused(commit, dispatch.RefusedCode.CLAIM_LOST, "this worker does not hold the claim");
  const [from, to] = [Number(commit.from), Number(commit.to)];
  if (result === undefined || totals === undefined) {
    return refused(commit, dispatch.RefusedCode.BAD_RESULT, "the commit names no result", { start: from, end: to });
  }
  // First against memory, which is cheap, then against the store; `commit` checks memory again in the claim's turn.
  const verdict = ledger.partition.mayCommit(claim, fence, from, to);
  if (verdict.kind !== "ok") return answer(commit, verdict);
  const wrong = await whatIsWrong(verify, ledger, commit, result);
  if (wrong !== null) return refused(commit, wrong.code, wrong.reason, { start: from, end: to });
  const { worker, lease } = session;
  const request = { claim, fence, from, to, attempt, worker, lease: lease.id, result, totals };
  return answer(commit, await ledger.commit(request));
}

/** The result is not what it should be; anything else means that the store does not answer now. */
const BAD_RESULT_CODES: ReadonlySet<string> = new Set(["NOT_FOUND", "DATA_LOSS", "INVALID_ARGUMENT"]);

async function whatIsWrong(
  verify: VerifyResult,
  ledger: EtcdLedger,
  commit: dispatch.Commit,
  result: store.TableRef,
): Promise<{ code: dispatch.RefusedCode; reason: string } | null> {
  const { job, kind } = ledger.name;
  try {
    const header = await verify(kind, result);
    const names = `${header.job} [${header.from}, ${header.to}) attempt ${header.attempt}`;
    const matches =
      header.job === job &&
      header.kind === WORK_KIND[kind] &&
      header.from === commit.from &&
      header.to === commit.to &&
      header.attempt === commit.attempt;
    if (matches) return null;
    return { code: dispatch.RefusedCode.BAD_RESULT, reason: `the result's header names ${names}` };
  } catch (error) {
    const isBad = error instanceof SheafError && BAD_RESULT_CODES.has(error.code);
    const code = isBad ? dispatch.RefusedCode.BAD_RESULT : dispatch.RefusedCode.TRY_AGAIN;
    return { code, reason: messageOf(error) };
  }
}

function answer(commit: dispatch.Commit, outcome: CommitOutcome): Answer {
  const { claim, from, to } = commit;
  const whole = { start: Number(from), end: Number(to) };
  switch (outcome.kind) {
    case "committed":
      return { case: "committed", value: create(dispatch.CommittedSchema, { claim, from, to }) };
    case "try-again":
      return refused(commit, dispatch.RefusedCode.TRY_AGAIN, outcome.reason, whole);
    case "claim-lost":
      return refused(commit, dispatch.RefusedCode.CLAIM_LOST, "the claim is not this worker's any more");
    case "outside-claim":
      return refused(commit, dispatch.RefusedCode.OUTSIDE_CLAIM, "the interval is not inside the claim", outcome.still);
    case "already-done":
      return refused(
        commit,
        dispatch.RefusedCode.ALREADY_DONE,
        "part of the interval is done",
        outcome.still ?? undefined,
      );
  }
}

function refused(
  commit: dispatch.Commit,
  code: dispatch.RefusedCode,
  reason: string,
  still: { start: number; end: number } = { start: 0, end: 0 },
): Answer {
  const { claim, from, to } = commit;
  const [stillFrom, stillTo] = [BigInt(still.start), BigInt(still.end)];
  return {
    case: "refused",
    value: create(dispatch.RefusedSchema, { claim, from, to, code, reason, stillFrom, stillTo }),
  };
}
