/**
 * What can go wrong, and how much of it does in one history. Swarm: each seed switches a random half of the kinds off, so that
 * one kind does not hide another (a history in which everything breaks is always in its heal phase).
 */
import type { Random } from "@sheaf/runtime";

export const FAULT_KINDS = [
  // What a call to etcd meets.
  "fail-before", // unknown outcome, never applied
  "apply-no-answer", // applied, and then times out
  "apply-late", // unknown outcome, applied at some later time
  "slow-etcd",
  "read-fails",
  "renew-lost",
  // What etcd does by itself.
  "lease-revoked",
  "renewed-and-gone", // a renewal is answered, and the lease is gone all the same
  "watch-cut",
  "compaction",
  "outage", // no quorum; then leases expire at once, or live for a whole TTL again
  // Processes.
  "crash-owner",
  "pause-owner",
  "stop-owner",
  "hiccup", // the event loop was blocked for a moment: timers fire before messages that were there
  "crash-worker",
  "pause-worker",
  "slow-worker",
  "drain-worker",
  "forget-claim",
  "lying-worker",
  // The network between workers and owners, and the store.
  "stream-cut",
  "half-open",
  "slow-net",
  "upload-fails",
  "verify-fails",
  // Users.
  "stop-job",
  "user-failures",
  "edited-keys",
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

/** These end a job by themselves: rare, or no job would ever get through. */
const RARE: ReadonlySet<FaultKind> = new Set(["stop-job", "edited-keys"]);
const RARE_CHANCE = 0.25;

export class Faults {
  readonly on: ReadonlySet<FaultKind>;
  readonly #random: Random;
  /** Chance that one call meets one of the kinds that calls meet. */
  readonly #perCall: number;
  #healed = false;

  constructor(random: Random) {
    this.#random = random;
    this.on = new Set(
      FAULT_KINDS.filter((kind) => random.float() < 0.5 && (!RARE.has(kind) || random.float() < 2 * RARE_CHANCE)),
    );
    this.#perCall = random.float() ** 2 * 0.25;
  }

  /** Nothing goes wrong from here on. */
  heal(): void {
    this.#healed = true;
  }

  get healed(): boolean {
    return this.#healed;
  }

  has(kind: FaultKind): boolean {
    return !this.#healed && this.on.has(kind);
  }

  /** Whether this call meets this fault; `times`: how much more often than usual. */
  strikes(kind: FaultKind, times = 1): boolean {
    return this.has(kind) && this.#random.float() < this.#perCall * times;
  }

  chance(probability: number): boolean {
    return this.#random.float() < probability;
  }

  between(from: number, to: number): number {
    return from + this.#random.float() * (to - from);
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : items[this.#random.int(items.length)];
  }
}
