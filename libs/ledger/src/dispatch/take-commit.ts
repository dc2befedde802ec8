import { create } from "@bufbuild/protobuf";
import { dispatch, type store } from "@sheaf/proto";
import { messageOf, SheafError } from "@sheaf/runtime";
import type { LedgerKind } from "../door.ts";
import { WORK_KIND } from "../ledger-records.ts";
import type { EtcdLedger } from "../owner/etcd-ledger.ts";
import type { CommitOutcome } from "../owner/ledger-outcomes.ts";

/**
 * Reads the header of a result and checks that all that the result refers to is in the store (L4). Rejects with a SheafError:
 * NOT_FOUND, DATA_LOSS or INVALID_ARGUMENT when the result is not what it should be, another code when the store does not answer.
 */
export type VerifyResult = (kind: LedgerKind, result: store.TableRef) => Promise<store.ResultHeader>;

/** What a commit is about, for the worker that sent it. */
export interface CommitSubject {
  readonly ledger: EtcdLedger;
  /** The one index of a backup (L7); null: the claim is the worker's own. */
  readonly raced: number | null;
}

type Word =
  | { readonly case: "committed"; readonly value: dispatch.Committed }
  | { readonly case: "refused"; readonly value: dispatch.Refused };

export interface CommitAnswer {
  readonly word: Word;
  /** No honest worker sends such a commit. */
  readonly isLie: boolean;
}

/** L4: checks a commit, verifies its result, and writes it. The answer says what is still the worker's. */
export async function takeCommit(
  verify: VerifyResult,
  worker: string,
  subject: CommitSubject | null,
  commit: dispatch.Commit,
): Promise<CommitAnswer> {
  const { claim, fence, attempt, result, totals } = commit;
  if (subject === null) return refused(commit, dispatch.RefusedCode.CLAIM_LOST, "this worker does not hold the claim");
  const { ledger, raced } = subject;
  const [from, to] = [Number(commit.from), Number(commit.to)];
  const whole = { start: from, end: to };
  if (result === undefined || totals === undefined) {
    return lie(refused(commit, dispatch.RefusedCode.BAD_RESULT, "the commit names no result", whole));
  }
  if (raced !== null && (from !== raced || to !== raced + 1)) {
    const reason = `only [${raced}, ${raced + 1}) is raced`;
    return lie(refused(commit, dispatch.RefusedCode.OUTSIDE_CLAIM, reason, { start: raced, end: raced + 1 }));
  }
  // First against memory, which is cheap, then against the store; `commit` checks memory again in the claim's turn.
  const verdict = ledger.partition.mayCommit(claim, fence, from, to);
  if (verdict.kind !== "ok") return answer(commit, verdict);
  const wrong = await whatIsWrong(verify, ledger, commit, result);
  if (wrong?.code === dispatch.RefusedCode.BAD_RESULT) return lie(refused(commit, wrong.code, wrong.reason, whole));
  if (wrong !== null) return refused(commit, wrong.code, wrong.reason, whole);
  return answer(commit, await ledger.commit({ claim, fence, from, to, attempt, worker, result, totals }));
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

function answer(commit: dispatch.Commit, outcome: CommitOutcome): CommitAnswer {
  const { claim, from, to } = commit;
  const whole = { start: Number(from), end: Number(to) };
  const { CLAIM_LOST, TRY_AGAIN, OUTSIDE_CLAIM, ALREADY_DONE, WRONG_FENCE } = dispatch.RefusedCode;
  switch (outcome.kind) {
    case "committed":
      return {
        word: { case: "committed", value: create(dispatch.CommittedSchema, { claim, from, to }) },
        isLie: false,
      };
    case "try-again":
      return refused(commit, TRY_AGAIN, outcome.reason, whole);
    case "claim-lost":
      return refused(commit, CLAIM_LOST, "the claim is not this worker's any more");
    case "wrong-fence":
      return lie(refused(commit, WRONG_FENCE, `the claim's fence is not ${commit.fence}`));
    case "outside-claim": {
      const reason = `[${from}, ${to}) is not inside the claim`;
      return { ...refused(commit, OUTSIDE_CLAIM, reason, outcome.still), isLie: outcome.isLie };
    }
    case "already-done":
      return refused(commit, ALREADY_DONE, `part of [${from}, ${to}) is done`, outcome.still ?? undefined);
  }
}

function lie(refusal: CommitAnswer): CommitAnswer {
  return { ...refusal, isLie: true };
}

function refused(
  commit: dispatch.Commit,
  code: dispatch.RefusedCode,
  reason: string,
  still: { start: number; end: number } = { start: 0, end: 0 },
): CommitAnswer {
  const { claim, from, to } = commit;
  const [stillFrom, stillTo] = [BigInt(still.start), BigInt(still.end)];
  const value = create(dispatch.RefusedSchema, { claim, from, to, code, reason, stillFrom, stillTo });
  return { word: { case: "refused", value }, isLie: false };
}
