/**
 * A replica in etcd: one lease, and under it first the replica's own key, then its owner keys (campaign.ts). They live and die
 * together: whoever sees an owner key finds its replica, and a replica that is not listed owns nothing for long.
 */

import { create } from "@bufbuild/protobuf";
import type { Etcd, Lease } from "@sheaf/etcd";
import { state } from "@sheaf/proto";
import { type Clock, failedPrecondition, type Logger, messageOf } from "@sheaf/runtime";
import { nowStamp, RECORD_VERSION, writeRecord } from "../record.ts";

/** Where a replica is reached. */
export interface ReplicaAddresses {
  /** By workers. */
  readonly dispatchAddress: string;
  /** By users, and by other masters for them. Empty for merge replicas. */
  readonly apiAddress: string;
}

export interface ReplicaKeyOptions {
  readonly etcd: Etcd;
  readonly clock: Clock;
  readonly log: Logger;
  /** masters/<id> or mergers/<id>. */
  readonly key: string;
  readonly addresses: () => ReplicaAddresses;
  readonly programVersion: string;
  readonly ttlSeconds: number;
}

/** Pause before a lease that could not be had is tried again, in milliseconds. */
const RETRY_MS = 500;
const WITHDRAW_MS = 1_000;

export class ReplicaKey {
  readonly #options: ReplicaKeyOptions;
  readonly #stop = new AbortController();
  #held: Promise<Lease> | null = null;
  #lease: Lease | null = null;
  #started: ReturnType<typeof nowStamp> | null = null;

  constructor(options: ReplicaKeyOptions) {
    this.#options = options;
  }

  /** Throws when etcd does not give a lease; later losses are seen to here. */
  async start(): Promise<void> {
    const lease = await this.#grant();
    if (lease === null) await this.lease();
    // If it is lost already, because it came too late, another is on its way.
    else if (this.#lease === lease) this.#held = Promise.resolve(lease);
  }

  /** The lease that stands now, with the replica's key under it. Waits while there is none; rejects after `withdraw`. */
  lease(): Promise<Lease> {
    this.#held ??= this.#persist();
    return this.#held;
  }

  /** etcd does not know this lease any more: another is granted. */
  gone(lease: Lease): void {
    if (this.#lease !== lease) return;
    this.#lease = null;
    lease.stop();
    this.#again();
  }

  /** Takes the replica off the list: from now on what it gives up goes to others. Its owner keys stay. */
  async withdraw(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(failedPrecondition("WITHDRAWN", "this replica stops"));
    // Whatever becomes of it: the key goes with the lease at the latest, and nobody who stops waits long for etcd.
    const gone = { compare: [], then: [{ delete: this.#options.key }] };
    await this.#options.etcd.txn(gone, { deadlineMs: WITHDRAW_MS });
  }

  async stop(): Promise<void> {
    await this.withdraw();
    const { log } = this.#options;
    await this.#lease
      ?.revoke()
      .catch((error) => log.info({ error: messageOf(error) }, "the replica's lease expires by itself"));
  }

  #again(): void {
    if (this.#stop.signal.aborted) return;
    this.#held = this.#persist();
    this.#held.catch(() => {}); // it was withdrawn; who needs the lease is told so
  }

  async #persist(): Promise<Lease> {
    const { clock, log, key } = this.#options;
    for (;;) {
      this.#stop.signal.throwIfAborted();
      try {
        const lease = await this.#grant();
        if (lease !== null) return lease;
      } catch (error) {
        log.warn({ key, err: error }, "no lease for this replica; trying again");
      }
      await clock.sleep(RETRY_MS, this.#stop.signal);
    }
  }

  /** A lease with the replica's key under it; null: the key could not be put. */
  async #grant(): Promise<Lease | null> {
    const { etcd, key, addresses, programVersion, clock, ttlSeconds, log } = this.#options;
    // Compared with what stands: a put of an earlier try would take the key under its own lease, and to the grave with it.
    const before = await etcd.get(key);
    const compare = [{ key, target: "mod", is: before?.modRevision ?? 0n } as const];
    const lease = await etcd.grantLease(ttlSeconds);
    this.#started ??= nowStamp(clock);
    const value = { version: RECORD_VERSION, started: this.#started, programVersion, ...addresses() };
    const record = writeRecord(state.ReplicaRecordSchema, create(state.ReplicaRecordSchema, value));
    const outcome = await etcd.txn({ compare, then: [{ put: key, value: record, lease: lease.id }] });
    if (this.#stop.signal.aborted) {
      await lease.revoke();
      throw this.#stop.signal.reason;
    }
    if (outcome.kind !== "applied") {
      lease.stop();
      log.warn({ key, outcome: outcome.kind }, "cannot put the replica's key");
      return null;
    }
    this.#lease = lease;
    void lease.lost.then(() => this.gone(lease));
    return lease;
  }
}
