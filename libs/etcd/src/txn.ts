/** Sends one transaction, once, and says what became of it. */
import type { Txn, TxnOutcome } from "./etcd.ts";
import { outcomeOfError } from "./faults.ts";
import { type Members, within } from "./members.ts";
import { readsOf, toTxnRequest } from "./wire.ts";

/** A value is meant to be at most 8 KiB (big things are objects, etcd keeps their hash); this is a bug (E16). */
export const VALUE_BYTES_MAX = 64 * 1024;

export async function sendTxn(members: Members, txn: Txn, deadlineMs: number): Promise<TxnOutcome> {
  const tooLarge = describeTooLarge(txn);
  if (tooLarge !== undefined) return { kind: "invalid", message: tooLarge };
  const member = members.current();
  try {
    const answer = await member.raw.kv.txn(toTxnRequest(txn), within(deadlineMs));
    const revision = BigInt(answer.header.revision);
    if (answer.succeeded && txn.then.some((op) => "put" in op)) members.trouble.written();
    else members.trouble.answered();
    return answer.succeeded
      ? { kind: "applied", revision, reads: readsOf(txn.then, answer.responses) }
      : { kind: "refused", revision, reads: readsOf(txn.else ?? [], answer.responses) };
  } catch (error) {
    const outcome = outcomeOfError(error);
    if (outcome.kind === "unknown") members.failed(member, error);
    return outcome;
  }
}

export function describeTooLarge(txn: Txn): string | undefined {
  for (const op of [...txn.then, ...(txn.else ?? [])]) {
    if ("put" in op && op.value.length > VALUE_BYTES_MAX) {
      return `the value of ${op.put} has ${op.value.length} bytes, above the limit of ${VALUE_BYTES_MAX}`;
    }
  }
  return undefined;
}
