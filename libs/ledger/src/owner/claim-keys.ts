/**
 * The keys of a ledger's claims (L3): made, put anew and deleted, each time comparing the create revision, which is the fence. What
 * is written here is what etcd says; what it means for the partition is the ledger's to say.
 */

import type { ChangeOp, Etcd, Keys, KeyValue, Revision } from "@sheaf/etcd";
import { type Clock, newId, type Random } from "@sheaf/runtime";
import type { Interval } from "../core/interval-set.ts";
import type { Claim } from "../core/partition.ts";
import type { LedgerName } from "../door.ts";
import { encodeClaim } from "../ledger-records.ts";
import type { LedgerWrite, Written } from "./ledger-writes.ts";

export interface ClaimKeysDeps {
  readonly etcd: Etcd;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly random: Random;
}

export class ClaimKeys {
  readonly #deps: ClaimKeysDeps;
  readonly #name: LedgerName;
  readonly #write: (write: LedgerWrite) => Promise<Written>;

  constructor(deps: ClaimKeysDeps, name: LedgerName, write: (write: LedgerWrite) => Promise<Written>) {
    this.#deps = deps;
    this.#name = name;
    this.#write = write;
  }

  key(id: string): string {
    return this.#deps.keys.claim(this.#name.job, this.#name.kind, id);
  }

  /** Makes the key. Its revision is the fence. */
  create(claim: Claim): Promise<Written> {
    const key = this.key(claim.id);
    const value = this.#value(claim, claim);
    return this.#write({
      name: `claim ${key}`,
      compare: [{ key, target: "create", is: 0n }],
      ops: [{ put: key, value, lease: claim.lease }],
      proof: { key, revisionOf: (now) => revisionIf(now, value, now?.createRevision) },
    });
  }

  /** Puts it anew: another interval, another lease. */
  put(claim: Claim, to: Interval, lease: string): Promise<Written> {
    const key = this.key(claim.id);
    const value = this.#value(claim, to);
    return this.#write({
      name: `put ${key}`,
      compare: [{ key, target: "create", is: claim.fence ?? 0n }],
      ops: [{ put: key, value, lease }], // with the lease, or it would stay for ever (L3)
      proof: { key, revisionOf: (now) => revisionIf(now, value, now?.modRevision) },
    });
  }

  /** Deletes it. False: it could not be told, because we are not the owner any more. */
  async delete({ id, fence }: Claim): Promise<boolean> {
    const key = this.key(id);
    if (fence === null) return false; // its own write comes first, and tells
    for (;;) {
      const written = await this.#write({
        name: `free ${key}`,
        compare: [{ key, target: "create", is: fence }],
        ops: [{ delete: key }],
        proof: { key, revisionOf: (now) => (now?.createRevision === fence ? null : 1n) },
      });
      if (written.kind === "lost" || written.kind === "meta-gone") return false;
      if (written.kind !== "not-written") return true; // refused: it is gone already
    }
  }

  /** What a commit makes of it, in the commit's own transaction (L4): the rest of it, with its lease (L3), or nothing. */
  rest(claim: Claim, left: Interval | null): ChangeOp {
    const key = this.key(claim.id);
    return left === null ? { delete: key } : { put: key, value: this.#value(claim, left), lease: claim.lease };
  }

  /** The key is not what the owner wrote. Whether somebody's hand was in it; else it went with its lease. */
  async isByHand({ lease, fence }: Claim, now: KeyValue | null): Promise<boolean> {
    if (now !== null) return now.createRevision !== fence;
    try {
      return (await this.#deps.etcd.leaseTimeToLive(lease)) !== null;
    } catch {
      return false; // nobody can tell: then it is a lost claim like another
    }
  }

  /** The attempt in it is new with every put: it tells one's own write from every other. */
  #value({ worker }: Claim, { start, end }: Interval): Uint8Array {
    return encodeClaim({ worker, attempt: newId(this.#deps.random, this.#deps.clock), start, end });
  }
}

/** The revision, if the key holds exactly this. */
export function revisionIf(now: KeyValue | null, value: Uint8Array, revision: Revision | undefined): Revision | null {
  return now !== null && revision !== undefined && Buffer.compare(now.value, value) === 0 ? revision : null;
}
