/**
 * The writes of one ledger, each with an outcome that is certain.
 *
 * Every change compares the ledger's meta key beside the owner's epoch, so that nothing is written into a ledger that is being
 * deleted (L8). After an unknown outcome the group commit has sealed (L2): what is read then is final. Either the write is there,
 * told by what it put, or it never will be.
 */

import type { Change, ChangeOp, Compare, Etcd, KeyValue, Revision } from "@sheaf/etcd";
import type { Clock, Logger } from "@sheaf/runtime";
import type { OwnerKey } from "./ownership.ts";

/** What became of a write. */
export type Written =
  | { readonly kind: "written"; readonly revision: Revision }
  /** A compare did not hold. `current`: the compared keys, in order. */
  | { readonly kind: "refused"; readonly current: readonly (KeyValue | null)[] }
  /** A key would have gone under a lease that is gone. */
  | { readonly kind: "no-lease" }
  /** Its outcome was unknown, and it has not been applied and never will be. */
  | { readonly kind: "not-written" }
  /** The ledger's meta key is not what this owner opened. */
  | { readonly kind: "meta-gone" }
  /** We are not the owner any more: it is not ours to know. */
  | { readonly kind: "lost" };

export interface LedgerWrite {
  readonly name: string;
  readonly compare: readonly Compare[];
  readonly ops: readonly ChangeOp[];
  /** Tells whether it was applied, from the key that proves it: the revision of it; null: it was not. */
  readonly proof: { readonly key: string; readonly revisionOf: (now: KeyValue | null) => Revision | null };
}

export interface LedgerWritesDeps {
  readonly etcd: Etcd;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Pause before a read that decides is asked again. */
const READ_RETRY_MS = 200;

export class LedgerWrites {
  readonly #deps: LedgerWritesDeps;
  readonly #owner: OwnerKey;
  readonly #meta: Compare & { readonly is: Revision };

  /** `metaRevision`: the modification revision of the meta key, which nobody changes. */
  constructor(deps: LedgerWritesDeps, owner: OwnerKey, metaKey: string, metaRevision: Revision) {
    this.#deps = deps;
    this.#owner = owner;
    this.#meta = { key: metaKey, target: "mod", is: metaRevision };
  }

  get metaKey(): string {
    return this.#meta.key;
  }

  async write({ name, compare, ops, proof }: LedgerWrite): Promise<Written> {
    const change: Change = { name, compare: [...compare, this.#meta], ops };
    const outcome = await this.#owner.submit(change);
    switch (outcome.kind) {
      case "applied":
        return { kind: "written", revision: outcome.revision };
      case "refused":
        if ((outcome.current.at(-1)?.modRevision ?? 0n) !== this.#meta.is) return { kind: "meta-gone" };
        return { kind: "refused", current: outcome.current };
      case "lease-not-found":
        return { kind: "no-lease" };
      case "lost":
        return { kind: "lost" };
      case "unknown":
        return this.#readBack(proof);
    }
  }

  /** L2: what stands under a key, read after a seal. */
  async #readBack({ key, revisionOf }: LedgerWrite["proof"]): Promise<Written> {
    const now = await this.read(key);
    if (now === undefined) return { kind: "lost" };
    const revision = revisionOf(now);
    return revision === null ? { kind: "not-written" } : { kind: "written", revision };
  }

  /** etcd may be away: it is asked until it answers. Undefined: we are not the owner any more. */
  async read(key: string): Promise<KeyValue | null | undefined> {
    const { etcd, clock, log } = this.#deps;
    while (!this.#owner.isLost) {
      try {
        return await etcd.get(key);
      } catch (error) {
        log.warn({ key, err: error }, "cannot read back what became of a write; trying again");
        await clock.sleep(READ_RETRY_MS);
      }
    }
    return undefined;
  }
}
