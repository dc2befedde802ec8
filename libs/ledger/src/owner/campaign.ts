import type { Etcd, KeyValue, Lease } from "@sheaf/etcd";
import { newId } from "@sheaf/runtime";
import { encodeOwner, ownerNonce } from "../ledger-records.ts";
import { type OwnerDeps, OwnerKey } from "./ownership.ts";

/** Pause after a try whose outcome is unknown. */
const RETRY_MS = 200;

/**
 * Waits until the owner key is absent, creates it, and returns the ownership. Creating it seals against every earlier owner
 * (L2). Rejects with the signal's reason when `signal` aborts.
 */
export async function campaign(deps: OwnerDeps, key: string, lease: Lease, signal: AbortSignal): Promise<OwnerKey> {
  const { etcd, random, clock, replica } = deps;
  const nonces = new Set<string>();
  for (;;) {
    signal.throwIfAborted();
    const nonce = newId(random, clock);
    nonces.add(nonce);
    const outcome = await etcd.txn({
      compare: [{ key, target: "create", is: 0n }],
      then: [{ put: key, value: encodeOwner(replica, nonce), lease: lease.id }],
      else: [{ get: key }],
    });
    if (outcome.kind === "applied") return new OwnerKey(deps, key, lease, outcome.revision);
    if (outcome.kind === "lease-not-found") throw new LeaseGone();
    if (outcome.kind !== "refused") {
      await clock.sleep(RETRY_MS, signal);
      continue;
    }
    const now = outcome.reads[0] ?? null;
    if (now !== null && now.lease === lease.id && nonces.has(ownerNonce(now.value))) {
      // A try of ours applied after its outcome was unknown.
      return new OwnerKey(deps, key, lease, now.modRevision);
    }
    if (now !== null) await untilGone(etcd, now, signal);
  }
}

/** The replica's lease is gone: grant another, then campaign again. */
export class LeaseGone extends Error {}

async function untilGone(etcd: Etcd, seen: KeyValue, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const watch = etcd.watch(seen.key, {
    snapshot: (kvs) => {
      if (!kvs.some((kv) => kv.key === seen.key)) resolve();
    },
    events: (events) => {
      if (events.some((event) => event.type === "delete" && event.key === seen.key)) resolve();
    },
  });
  signal.addEventListener("abort", () => resolve(), { once: true });
  try {
    await promise;
  } finally {
    await watch.close();
  }
}
