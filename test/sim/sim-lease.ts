import type { Lease } from "@sheaf/etcd";
import type { Timer } from "@sheaf/runtime";
import type { SimEtcdServer } from "./etcd-server.ts";
import type { Faults } from "./faults.ts";
import type { Process } from "./process.ts";

/** As the real client's (lease.ts of libs/etcd): trust counts from the moment a renewal was sent. */
const TRUST = 0.8;

interface LeaseParts {
  readonly id: string;
  readonly ttlSeconds: number;
  /** When the grant was sent. */
  readonly sent: number;
  readonly server: SimEtcdServer;
  readonly faults: Faults;
  readonly process: Process;
  readonly way: () => number;
}

/**
 * A lease as a client sees it: renewed every third of its TTL over a network that loses renewals and answers; and now and then
 * the server answers a renewal of a lease that is gone.
 */
export class SimLease implements Lease {
  readonly id: string;
  readonly ttlSeconds: number;
  readonly lost: Promise<void>;
  readonly #parts: LeaseParts;
  readonly #revoke: () => Promise<boolean>;
  readonly #resolveLost: () => void;
  /** When the last answered renewal was sent. */
  #renewed: number;
  #trustedUntil: number;
  #state: "kept" | "stopped" | "lost" = "kept";
  #next: Timer;
  #expiry: Timer;

  constructor(parts: LeaseParts, revoke: () => Promise<boolean>) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.id = parts.id;
    this.ttlSeconds = parts.ttlSeconds;
    this.lost = promise;
    this.#parts = parts;
    this.#revoke = revoke;
    this.#resolveLost = resolve;
    this.#renewed = parts.sent;
    this.#trustedUntil = parts.sent + TRUST * parts.ttlSeconds * 1_000;
    this.#next = this.#renewLater();
    this.#expiry = this.#expireLater();
  }

  valid(): boolean {
    const { clock, resumedAt } = this.#parts.process;
    // After a pause, which may have been a suspend, it is not trusted until a renewal is answered.
    return this.#state !== "lost" && clock.now() < this.#trustedUntil && resumedAt <= this.#renewed;
  }

  async revoke(): Promise<void> {
    this.stop();
    await this.#revoke();
  }

  stop(): void {
    this.#retire("stopped");
  }

  #renewLater(): Timer {
    return this.#parts.process.clock.timer((this.ttlSeconds * 1_000) / 3, () => this.#renew());
  }

  #expireLater(): Timer {
    const { clock } = this.#parts.process;
    return clock.timer(this.#trustedUntil - clock.now(), () => this.#lose());
  }

  #renew(): void {
    const { server, faults, process, way } = this.#parts;
    const sent = process.clock.now();
    this.#next = this.#renewLater();
    if (faults.strikes("renew-lost", 4)) return;
    const goneAndAnswered = faults.strikes("renewed-and-gone");
    // The message is on its way whatever becomes of the process.
    server.soon(way(), () => {
      if (server.down) return;
      const renewed = server.renew(this.id);
      if (goneAndAnswered) server.revoke(this.id, null);
      process.after(way(), () => this.#answered(renewed, sent));
    });
  }

  #answered(renewed: boolean, sent: number): void {
    if (this.#state !== "kept") return;
    if (!renewed) return this.#lose();
    this.#renewed = Math.max(this.#renewed, sent);
    this.#trustedUntil = Math.max(this.#trustedUntil, sent + TRUST * this.ttlSeconds * 1_000);
    this.#expiry.cancel();
    this.#expiry = this.#expireLater();
  }

  #lose(): void {
    if (this.#state !== "kept") return;
    this.#retire("lost");
    this.#resolveLost();
  }

  #retire(state: "stopped" | "lost"): void {
    if (this.#state !== "kept") return;
    this.#state = state;
    this.#next.cancel();
    this.#expiry.cancel();
  }
}
