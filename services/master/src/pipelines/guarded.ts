// Writes of the owner of a pipeline: under the epoch compare, through the one group commit (L1, L8), and with an unknown
// outcome resolved by the seal and a read (L2).

import type { Change, Etcd, KeyValue, Revision } from "@sheaf/etcd";
import type { Ownership } from "@sheaf/ledger";

export interface GuardedWrite extends Change {
  /** A key that `ops` puts with a value that tells this write from any other. */
  readonly mark: string;
}

export type GuardedOutcome =
  | { readonly kind: "applied"; readonly revision: Revision }
  /** A compare did not hold. `current`: what stands, one for each compare; empty when that is not known. */
  | { readonly kind: "refused"; readonly current: readonly (KeyValue | null)[] }
  | { readonly kind: "lost" };

export async function writeGuarded(etcd: Etcd, ownership: Ownership, write: GuardedWrite): Promise<GuardedOutcome> {
  const { name, compare, ops } = write;
  const outcome = await ownership.submit({ name, compare, ops });
  switch (outcome.kind) {
    case "applied":
      return { kind: "applied", revision: outcome.revision };
    case "refused":
      return { kind: "refused", current: outcome.current };
    case "lost":
      return { kind: "lost" };
    case "unknown":
      return readBack(etcd, write);
    case "lease-not-found":
      return { kind: "refused", current: [] };
  }
}

/** L2: the epoch has been sealed, so what is read now is what became of the write. */
async function readBack(etcd: Etcd, { ops, mark }: GuardedWrite): Promise<GuardedOutcome> {
  const now = await etcd.get(mark);
  const isOurs = (value: Uint8Array) => now !== null && Buffer.compare(now.value, value) === 0;
  const applied = ops.some((op) => "put" in op && op.put === mark && isOurs(op.value));
  return applied && now !== null ? { kind: "applied", revision: now.modRevision } : { kind: "refused", current: [] };
}
