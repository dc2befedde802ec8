import { create } from "@bufbuild/protobuf";
import { dispatch } from "@sheaf/proto";
import type { EtcdLedger } from "../owner/etcd-ledger.ts";
import type { WorkerSession } from "./worker-session.ts";

/**
 * Whether a claim that a worker shows in its Hello stands, and with which fence; null: it does not.
 *
 * - A claim of a session in its grace stands as it is.
 * - A claim from before a takeover is put again under the new session's lease; its fence stays.
 * - An interval that is free again is claimed for the worker once more, under a new fence, so that finished work is not redone.
 */
export async function keepClaim(
  session: WorkerSession,
  shown: dispatch.HeldClaim,
  ledger: EtcdLedger,
): Promise<dispatch.HeldClaim | null> {
  const claim = ledger.partition.claims.get(shown.claim);
  if (claim?.worker === session.worker && claim.fence === shown.fence) {
    if (session.claims.has(shown.claim)) return shown;
    if (await ledger.adopt(shown.claim, shown.fence, session.lease.id)) return shown;
  }
  return reclaim(session, shown, ledger);
}

async function reclaim(
  session: WorkerSession,
  shown: dispatch.HeldClaim,
  ledger: EtcdLedger,
): Promise<dispatch.HeldClaim | null> {
  const [start, end] = [Number(shown.from), Number(shown.to)];
  const isFree = start < end && ledger.partition.free.some((part) => part.start <= start && end <= part.end);
  if (!isFree || !ledger.handsOut || ledger.partition.claims.has(shown.claim)) return null;
  const outcome = await ledger.claim(session.worker, session.lease.id, start, end, shown.claim);
  return outcome.kind === "claimed" ? create(dispatch.HeldClaimSchema, { ...shown, fence: outcome.fence }) : null;
}
