/**
 * The etcd of the simulation: the model of libs/etcd (checked against a real one) in virtual time, with leases that expire and
 * everybody who looks on. It applies what reaches it at once; what becomes of a call on its way is sim-etcd.ts.
 */
import { EtcdModel, type KeyValue, type Revision, type Txn, type TxnOutcome, type WatchEvent } from "@sheaf/etcd";
import type { Process } from "./process.ts";
import type { Event, World } from "./world.ts";

/** A transaction on its way, as the checks see it. */
export interface Call {
  readonly process: Process;
  readonly txn: Txn;
  /** Newest revision of etcd when it was sent: what was sealed after that must keep it from applying. */
  readonly sentAt: Revision;
  /** What the client was told; null: nothing yet. */
  answer: TxnOutcome["kind"] | null;
}

/** A change of the store: one revision. */
export interface Change {
  readonly revision: Revision;
  readonly events: readonly WatchEvent[];
  /** What the keys of `events` were before. */
  readonly before: ReadonlyMap<string, KeyValue>;
  /** Who did it; null: etcd, or the one who revoked a lease. */
  readonly call: Call | null;
  /** For a revoke: who asked for it, and the lease. */
  readonly revoke: { readonly lease: string; readonly by: Process | null; readonly sentAt: Revision } | null;
}

export class SimEtcdServer {
  readonly model = new EtcdModel();
  readonly #world: World;
  readonly #leases = new Map<string, { readonly ttlMs: number; expiry: Event }>();
  readonly #onChange: ((change: Change) => void)[] = [];
  #compacted: Revision = 0n;
  readonly watchers = new Set<() => void>();
  /** Transactions that will reach it, whatever has become of who sent them. */
  onTheWay = 0;
  /** Without a quorum: nothing is applied or answered. */
  down = false;

  constructor(world: World) {
    this.#world = world;
  }

  /** Called for each revision, when it is made. */
  observe(fn: (change: Change) => void): void {
    this.#onChange.push(fn);
  }

  /** What reaches it in `ms`, whatever becomes of the sender. */
  soon(ms: number, fn: () => void): void {
    this.#world.after(ms, null, fn);
  }

  apply(call: Call): TxnOutcome {
    const before = this.#stateOf(call.txn);
    const from = this.model.revision;
    const outcome = this.model.apply(call.txn);
    if (this.model.revision > from) this.#changed(before, call, null);
    return outcome;
  }

  grant(ttlSeconds: number): string {
    const id = this.model.grant(ttlSeconds);
    const ttlMs = ttlSeconds * 1_000;
    this.#leases.set(id, { ttlMs, expiry: this.#expiryOf(id, ttlMs) });
    return id;
  }

  /** False: there is no such lease. */
  renew(id: string): boolean {
    const lease = this.#leases.get(id);
    if (lease === undefined) return false;
    lease.expiry.cancelled = true;
    lease.expiry = this.#expiryOf(id, lease.ttlMs);
    return true;
  }

  /** A new leader gives every lease its whole TTL again. */
  renewAll(): void {
    for (const id of this.#leases.keys()) this.renew(id);
  }

  revoke(id: string, by: Process | null, sentAt: Revision = this.model.revision): boolean {
    const lease = this.#leases.get(id);
    if (lease === undefined) return false;
    this.#leases.delete(id);
    lease.expiry.cancelled = true;
    const keys = this.model.timeToLive(id)?.keys ?? [];
    const before = new Map(keys.map((key) => [key, this.model.at(key) as KeyValue]));
    this.model.revoke(id);
    if (keys.length > 0) this.#changed(before, null, { lease: id, by, sentAt });
    return true;
  }

  /** Forgets its history. */
  compact(): void {
    if (this.model.revision > this.#compacted) this.model.compact(this.model.revision);
    this.#compacted = this.model.revision;
  }

  leases(): string[] {
    return [...this.#leases.keys()];
  }

  #expiryOf(id: string, ttlMs: number): Event {
    return this.#world.after(ttlMs, null, () => {
      // Without a quorum nothing expires; it does as soon as there is one, or the new leader has renewed it.
      if (this.down) {
        const lease = this.#leases.get(id);
        if (lease !== undefined) lease.expiry = this.#expiryOf(id, 100);
      } else this.revoke(id, null);
    });
  }

  #changed(before: ReadonlyMap<string, KeyValue>, call: Call | null, revoke: Change["revoke"]): void {
    const { revision } = this.model;
    const change = { revision, events: this.model.eventsFrom("", revision) ?? [], before, call, revoke };
    for (const fn of this.#onChange) fn(change);
    for (const wake of this.watchers) wake();
  }

  /** The keys that it may write, as they are. */
  #stateOf({ then }: Txn): Map<string, KeyValue> {
    const state = new Map<string, KeyValue>();
    for (const op of then) {
      if ("get" in op) continue;
      const found =
        "deletePrefix" in op
          ? this.model.listed(op.deletePrefix).kvs
          : [this.model.at("put" in op ? op.put : op.delete)];
      for (const kv of found) if (kv !== null) state.set(kv.key, kv);
    }
    return state;
  }
}
