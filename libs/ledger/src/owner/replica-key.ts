import { create } from "@bufbuild/protobuf";
import type { Etcd, Lease } from "@sheaf/etcd";
import { state } from "@sheaf/proto";
import type { Clock, Component, Logger } from "@sheaf/runtime";
import { nowStamp, RECORD_VERSION, writeRecord } from "../record.ts";

/** What a replica tells the others of itself. */
export interface ReplicaInfo {
  readonly dispatchAddress: string;
  /** Empty for merge replicas. */
  readonly apiAddress: string;
  readonly programVersion: string;
}

export interface ReplicaKeyOptions {
  readonly etcd: Etcd;
  readonly clock: Clock;
  readonly log: Logger;
  /** masters/<id> or mergers/<id>. */
  readonly key: string;
  readonly info: () => ReplicaInfo;
  readonly ttlSeconds: number;
}

/** Pause before a key that could not be put is tried again, in milliseconds. */
const RETRY_MS = 500;

/** A replica's own key: there as long as the replica lives. For those who list replicas; nothing is decided by it. */
export class ReplicaKey implements Component {
  readonly #options: ReplicaKeyOptions;
  readonly #stop = new AbortController();
  #lease: Lease | null = null;

  constructor(options: ReplicaKeyOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#put();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#lease?.revoke().catch(() => {}); // it expires by itself
  }

  /** Puts the key, and again whenever its lease is lost. A put that is repeated says the same. */
  async #put(): Promise<void> {
    const { etcd, key, info, clock, ttlSeconds, log } = this.#options;
    const record = create(state.ReplicaRecordSchema, { version: RECORD_VERSION, started: nowStamp(clock), ...info() });
    while (!this.#stop.signal.aborted) {
      const lease = await etcd.grantLease(ttlSeconds);
      const put = { put: key, value: writeRecord(state.ReplicaRecordSchema, record), lease: lease.id };
      const outcome = await etcd.txn({ compare: [], then: [put] });
      if (outcome.kind === "applied") return this.#keep(lease);
      lease.stop();
      log.warn({ key, outcome: outcome.kind }, "cannot put the replica's key; trying again");
      await clock.sleep(RETRY_MS, this.#stop.signal).catch(() => {});
    }
  }

  #keep(lease: Lease): void {
    this.#lease = lease;
    void lease.lost
      .then(() => this.#put())
      .catch((err) => this.#options.log.error({ err }, "the replica's key is gone"));
  }
}
