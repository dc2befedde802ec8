/**
 * What etcd's transactions, leases and revisions mean, in memory and one at a time: the reference that the
 * tests of group commit compare with, and the store of simulations. A test checks it against a real etcd with
 * random transactions. It is never a stand-in for etcd in a running Sheaf.
 */
import type { Etcd, KeyValue, LeaseInfo, Op, Revision, Txn, TxnOutcome } from "./etcd.ts";
import { holds } from "./group-commit-batch.ts";

/** etcd's own limit, for compares and for each branch. */
const OPS_MAX = 128;

export class EtcdModel implements Pick<Etcd, "get" | "txn" | "leaseTimeToLive" | "revokeLease"> {
  readonly #keys = new Map<string, KeyValue>();
  readonly #leases = new Set<string>();
  #revision: Revision = 1n;
  #leaseCount = 0;

  get revision(): Revision {
    return this.#revision;
  }

  /** All keys, in order. */
  all(): KeyValue[] {
    return [...this.#keys.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  async get(key: string): Promise<KeyValue | null> {
    return this.#keys.get(key) ?? null;
  }

  async txn(txn: Txn): Promise<TxnOutcome> {
    return this.apply(txn);
  }

  /** A lease that lives until it is revoked. */
  grant(): string {
    const id = String(1_000 + this.#leaseCount++);
    this.#leases.add(id);
    return id;
  }

  async revokeLease(id: string): Promise<boolean> {
    if (!this.#leases.delete(id)) return false;
    const keys = this.all().filter(({ lease }) => lease === id);
    if (keys.length > 0) this.#revision++;
    for (const { key } of keys) this.#keys.delete(key);
    return true;
  }

  async leaseTimeToLive(id: string): Promise<LeaseInfo | null> {
    if (!this.#leases.has(id)) return null;
    const keys = this.all()
      .filter(({ lease }) => lease === id)
      .map(({ key }) => key);
    return { ttlSeconds: 10, grantedTtlSeconds: 10, keys };
  }

  /** `txn`, at once. */
  apply(txn: Txn): TxnOutcome {
    const wrong = whatIsInvalid(txn);
    if (wrong !== undefined) return { kind: "invalid", message: wrong };
    const kept = txn.compare.every((compare) => holds(compare, this.#keys.get(compare.key) ?? null));
    const ops = kept ? txn.then : (txn.else ?? []);
    if (ops.some((op) => "put" in op && !this.#leaseLives(op.lease))) return { kind: "lease-not-found" };
    const before = this.#revision;
    const reads: (KeyValue | null)[] = [];
    let changed = false;
    for (const op of ops) {
      if ("get" in op) reads.push(this.#keys.get(op.get) ?? null);
      else changed = this.#write(op, before + 1n) || changed;
    }
    if (changed) this.#revision = before + 1n;
    return { kind: kept ? "applied" : "refused", revision: this.#revision, reads };
  }

  #write(op: Exclude<Op, { readonly get: string }>, revision: Revision): boolean {
    if ("put" in op) {
      const old = this.#keys.get(op.put);
      this.#keys.set(op.put, {
        key: op.put,
        value: Uint8Array.from(op.value),
        createRevision: old?.createRevision ?? revision,
        modRevision: revision,
        version: (old?.version ?? 0n) + 1n,
        lease: op.lease ?? "0",
      });
      return true;
    }
    const gone = [...this.#keys.keys()].filter((key) => isDeletedBy(op, key));
    for (const key of gone) this.#keys.delete(key);
    return gone.length > 0;
  }

  #leaseLives(lease: string | undefined): boolean {
    return lease === undefined || lease === "0" || this.#leases.has(lease);
  }
}

function whatIsInvalid(txn: Txn): string | undefined {
  const branches = [txn.then, txn.else ?? []];
  if ([txn.compare, ...branches].some(({ length }) => length > OPS_MAX)) return "too many operations in txn request";
  return branches.some(writesTwice) ? "duplicate key given in txn request" : undefined;
}

/** A key may be put once, and not put and deleted; deleting it twice is allowed. */
function writesTwice(ops: readonly Op[]): boolean {
  const puts = ops.flatMap((op) => ("put" in op ? [op.put] : []));
  return new Set(puts).size < puts.length || ops.some((op) => puts.some((key) => isDeletedBy(op, key)));
}

function isDeletedBy(op: Op, key: string): boolean {
  if ("delete" in op) return op.delete === key;
  return "deletePrefix" in op && key.startsWith(op.deletePrefix);
}
