import { create } from "@bufbuild/protobuf";
import { dispatch } from "@sheaf/proto";
import type { EtcdLedger } from "../owner/etcd-ledger.ts";
import type { WorkerSession } from "./worker-session.ts";

/**
 * What stands of a claim that a worker shows in its Hello, and with which fence; null: nothing.
 *
 * - A claim of a session in its grace stands as it is.
 * - A claim from before a takeover is put again under the new session's lease; its fence stays.
 * - An interval that is free again is claimed for the worker once more, under a new fence, so that finished work is not redone.
 *
 * The worker may show more than stands: its tail was taken while it did not listen (L6), or it missed that a part is committed.
 */
export async function keepClaim(
  session: WorkerSession,
  shown: dispatch.HeldClaim,
  ledger: EtcdLedger,
): Promise<dispatch.HeldClaim | null> {
  const claim = ledger.partition.claims.get(shown.claim);
  if (claim?.worker === session.worker && claim.fence === shown.fence) {
    const isHeld = session.claims.has(shown.claim) || (await ledger.adopt(shown.claim, shown.fence, session.lease.id));
    if (isHeld) return narrowed(shown, ledger);
  }
  return reclaim(session, shown, ledger);
}

function narrowed(shown: dispatch.HeldClaim, ledger: EtcdLedger): dispatch.HeldClaim | null {
  const stands = ledger.partition.claims.get(shown.claim);
  if (stands === undefined) return null;
  const from = Math.max(Number(shown.from), stands.start);
  const to = Math.min(Number(shown.to), stands.end);
  if (from >= to) return null;
  return create(dispatch.HeldClaimSchema, { ...shown, from: BigInt(from), to: BigInt(to) });
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
