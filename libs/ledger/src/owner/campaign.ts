import type { KeyValue, Lease } from "@sheaf/etcd";
import { newId } from "@sheaf/runtime";
import { encodeOwner, ownerNonce } from "../ledger-records.ts";
import { type OwnerDeps, OwnerKey } from "./ownership.ts";

/** Pause after a try whose outcome is unknown. */
const RETRY_MS = 200;

export interface Candidacy {
  readonly key: string;
  /** Resolves when the key seems to be absent and is this replica's to take (placement.ts). */
  readonly turn: (signal: AbortSignal) => Promise<void>;
  /** Somebody holds the key. */
  readonly taken: (by: KeyValue) => void;
  /** The lease of what this replica has. */
  readonly lease: () => Promise<Lease>;
  /** The lease is gone from etcd. */
  readonly leaseGone: (lease: Lease) => void;
}

/**
 * Waits for its turn, creates the owner key, and returns the ownership. Creating it seals against every earlier owner (L2).
 * Rejects with the signal's reason when `signal` aborts.
 */
export async function campaign(deps: OwnerDeps, candidacy: Candidacy, signal: AbortSignal): Promise<OwnerKey> {
  const { etcd, random, clock, replica } = deps;
  const { key } = candidacy;
  const nonces = new Set<string>();
  for (let unsure = false; ; ) {
    // After an unknown outcome the key that is seen may be our own.
    if (!unsure) await candidacy.turn(signal);
    signal.throwIfAborted();
    const lease = await candidacy.lease();
    const nonce = newId(random, clock);
    nonces.add(nonce);
    const outcome = await etcd.txn({
      compare: [{ key, target: "create", is: 0n }],
      then: [{ put: key, value: encodeOwner(replica, nonce), lease: lease.id }],
      else: [{ get: key }],
    });
    if (outcome.kind === "applied") return new OwnerKey(deps, key, lease, outcome.revision);
    unsure = outcome.kind !== "refused" && outcome.kind !== "lease-not-found";
    if (outcome.kind === "lease-not-found") candidacy.leaseGone(lease);
    if (outcome.kind !== "refused") {
      await clock.sleep(RETRY_MS, signal);
      continue;
    }
    const now = outcome.reads[0] ?? null;
    if (now !== null && now.lease === lease.id && nonces.has(ownerNonce(now.value))) {
      // A try of ours applied after its outcome was unknown.
      return new OwnerKey(deps, key, lease, now.modRevision);
    }
    if (now !== null) candidacy.taken(now);
  }
}
