/**
 * What etcd's transactions, leases, revisions and history mean, in memory and one at a time: the reference that the
 * tests of group commit compare with, and the store of simulations. A test checks it against a real etcd with
 * random operations. It is never a stand-in for etcd in a running Sheaf.
 */
import type {
  Etcd,
  KeyValue,
  LeaseInfo,
  Listed,
  ListOptions,
  Op,
  Page,
  PageOptions,
  Revision,
  Txn,
  TxnOutcome,
  WatchEvent,
} from "./etcd.ts";
import { KeyHistory } from "./etcd-model-history.ts";
import { holds } from "./group-commit-batch.ts";
import { describeTooLarge } from "./txn.ts";

/** etcd's own limit, for compares and for each branch. */
const OPS_MAX = 128;
const PAGE_MAX = 500;

type Modelled = "get" | "list" | "page" | "txn" | "leaseTimeToLive" | "revokeLease";

export class EtcdModel implements Pick<Etcd, Modelled> {
  readonly #history = new KeyHistory();
  /** By id: the keys under it. */
  readonly #leases = new Map<string, { readonly ttlSeconds: number; readonly keys: Set<string> }>();
  #leaseCount = 0;

  get revision(): Revision {
    return this.#history.revision;
  }

  /** All keys, in order. */
  all(): KeyValue[] {
    return this.#history.range("");
  }

  /** The key now, without a promise. */
  at(key: string): KeyValue | null {
    return this.#history.at(key);
  }

  async get(key: string): Promise<KeyValue | null> {
    return this.#history.at(key);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<Listed> {
    return this.listed(prefix, options);
  }

  /** `list`, at once. */
  listed(prefix: string, { limit = Number.POSITIVE_INFINITY, revision, keysOnly = false }: ListOptions = {}): Listed {
    const kvs = this.#history.range(prefix, revision).slice(0, limit);
    const shown = keysOnly ? kvs.map((kv) => ({ ...kv, value: new Uint8Array() })) : kvs;
    return { kvs: shown, revision: revision ?? this.revision };
  }

  async page(prefix: string, options: PageOptions): Promise<Page> {
    return this.paged(prefix, options);
  }

  /** `page`, at once. */
  paged(prefix: string, { after, limit, revision, descending = false }: PageOptions): Page {
    const inOrder = this.#history.range(prefix, revision);
    const all = descending ? inOrder.reverse() : inOrder;
    const behind = all.filter(({ key }) => after === undefined || (descending ? key < after : key > after));
    const kvs = behind.slice(0, Math.max(1, Math.min(limit, PAGE_MAX)));
    return { kvs, more: kvs.length < behind.length, revision: revision ?? this.revision };
  }

  async txn(txn: Txn): Promise<TxnOutcome> {
    return this.apply(txn);
  }

  /** A lease that lives until it is revoked. */
  grant(ttlSeconds = 10): string {
    const id = String(1_000 + this.#leaseCount++);
    this.#leases.set(id, { ttlSeconds, keys: new Set() });
    return id;
  }

  /** The leases that live. */
  leases(): string[] {
    return [...this.#leases.keys()];
  }

  async revokeLease(id: string): Promise<boolean> {
    return this.revoke(id);
  }

  /** `revokeLease`, at once: its keys are gone in one revision. */
  revoke(id: string): boolean {
    const lease = this.#leases.get(id);
    if (lease === undefined) return false;
    this.#leases.delete(id);
    const revision = this.revision + 1n;
    for (const key of [...lease.keys].sort()) this.#history.delete(key, revision);
    return true;
  }

  async leaseTimeToLive(id: string): Promise<LeaseInfo | null> {
    return this.timeToLive(id);
  }

  /** `leaseTimeToLive`, at once. Time stands still in a model: nothing of the TTL is used up. */
  timeToLive(id: string): LeaseInfo | null {
    const lease = this.#leases.get(id);
    if (lease === undefined) return null;
    return { ttlSeconds: lease.ttlSeconds, grantedTtlSeconds: lease.ttlSeconds, keys: [...lease.keys].sort() };
  }

  /** Forgets what was before `revision`; what stands at it can still be read. Throws OUT_OF_RANGE for one that is gone or to come. */
  compact(revision: Revision): void {
    this.#history.compact(revision);
  }

  /** What happened to the keys of a prefix from a revision on; null: compacted. */
  eventsFrom(prefix: string, from: Revision): WatchEvent[] | null {
    return this.#history.eventsFrom(prefix, from);
  }

  /** `txn`, at once. */
  apply(txn: Txn): TxnOutcome {
    const wrong = whatIsInvalid(txn);
    if (wrong !== undefined) return { kind: "invalid", message: wrong };
    const kept = txn.compare.every((compare) => holds(compare, this.at(compare.key)));
    const ops = kept ? txn.then : (txn.else ?? []);
    if (ops.some((op) => "put" in op && !this.#leaseLives(op.lease))) return { kind: "lease-not-found" };
    const revision = this.revision + 1n;
    const reads: (KeyValue | null)[] = [];
    for (const op of ops) {
      if ("get" in op) reads.push(this.at(op.get));
      else this.#write(op, revision);
    }
    return { kind: kept ? "applied" : "refused", revision: this.revision, reads };
  }

  #write(op: Exclude<Op, { readonly get: string }>, revision: Revision): void {
    if ("put" in op) {
      const lease = op.lease ?? "0";
      this.#leaseOf(op.put)?.keys.delete(op.put);
      this.#leases.get(lease)?.keys.add(op.put);
      this.#history.put(op.put, op.value, lease, revision);
      return;
    }
    const gone = "delete" in op ? [op.delete] : this.#history.range(op.deletePrefix).map(({ key }) => key);
    for (const key of gone) {
      this.#leaseOf(key)?.keys.delete(key);
      this.#history.delete(key, revision);
    }
  }

  #leaseOf(key: string): { readonly keys: Set<string> } | undefined {
    return this.#leases.get(this.at(key)?.lease ?? "0");
  }

  #leaseLives(lease: string | undefined): boolean {
    return lease === undefined || lease === "0" || this.#leases.has(lease);
  }
}

function whatIsInvalid(txn: Txn): string | undefined {
  const branches = [txn.then, txn.else ?? []];
  if ([txn.compare, ...branches].some(({ length }) => length > OPS_MAX)) return "too many operations in txn request";
  return branches.some(writesTwice) ? "duplicate key given in txn request" : describeTooLarge(txn);
}

/** A key may be put once, and not put and deleted; deleting it twice is allowed. */
function writesTwice(ops: readonly Op[]): boolean {
  const puts = new Set<string>();
  for (const op of ops) {
    if (!("put" in op)) continue;
    if (puts.has(op.put)) return true;
    puts.add(op.put);
  }
  return ops.some(
    (op) =>
      ("delete" in op && puts.has(op.delete)) ||
      ("deletePrefix" in op && [...puts].some((key) => key.startsWith(op.deletePrefix))),
  );
}
