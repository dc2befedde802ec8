/**
 * Group commit: rule L8, for one writer. It knows etcd's transactions and nothing of ledgers.
 *
 * Many small changes, each with its own compares, are written in few transactions, as if each had been written
 * alone, in the order of submission wherever two of them share a key.
 *
 *     submit ──> queue ──tick──> batch ──> ONE transaction ──> applied | refused | lease-not-found |
 *                                  ^            │              invalid | unknown
 *                                  └── the rest of it, when some were dropped
 *
 * G1. One in flight (L1). A transaction is sent when the one before is decided, never earlier. The first change
 *     that finds us idle starts a tick; changes that come while one is in flight go with the next, at once.
 * G2. Bounded. At most `maxOps` operations and `maxCompares` compares, which etcd allows in one transaction.
 * G3. A batch touches a key once. etcd evaluates all compares before the first operation; so a change that
 *     compares or writes a key that another one of the batch writes would see the state before it: it waits.
 * G4. Order. What waits is not overtaken by a change that shares a key with it. So the outcome of every change
 *     is that of a run one by one in the order of submission. (One that compares what a LATER one of its batch
 *     writes needs no wait: its compare is evaluated before that write, as it should be.)
 * G5. Guarded. Each transaction also compares `guard()` (the owner's epoch, L1). The else branch reads every
 *     compared key, atomically with the refusal, so a refusal tells exactly who lost: a failed guard means that
 *     we own nothing any more ('lost', for all, for ever); otherwise those whose compares fail are 'refused'
 *     with what they lost to, and the rest is sent again at once.
 * G6. Definite refusals cost nobody else: "lease not found" drops the changes of the dead lease (which one, etcd
 *     does not say: it is looked up); an invalid transaction is halved until the invalid change stands alone.
 * G7. Unknown is not refused and not applied (L2). Nothing that had no answer is ever sent again: `onUnknown` seals
 *     first, and the callers are told 'unknown', to read back and decide for themselves.
 * G8. It ends: each round decides at least one change (G5: a refusal without a loser is a bug, and decides all).
 *
 * Time and randomness come from outside only; so a simulation can drive all of this.
 */
import { type Clock, internal, type Logger, messageOf, type Timer } from "@sheaf/runtime";
import type { Change, ChangeOutcome } from "./change.ts";
import type { Compare, Etcd, KeyValue, TxnOutcome } from "./etcd.ts";
import {
  allHold,
  type BatchLimits,
  leasesOf,
  readsByKey,
  takeBatch,
  toTxn,
  writtenKeys,
} from "./group-commit-batch.ts";

export interface GroupCommitOptions {
  readonly etcd: Pick<Etcd, "txn" | "leaseTimeToLive">;
  /** Asked before each transaction: a seal changes the epoch. It should be short (G2). */
  readonly guard: () => readonly Compare[];
  /** How long the first change waits for company, in milliseconds. Default 5. */
  readonly tickMs?: number;
  /** Default 100; etcd refuses more than 128. */
  readonly maxOps?: number;
  /** Default 100, guard included; etcd refuses more than 128. */
  readonly maxCompares?: number;
  readonly clock: Clock;
  /**
   * Called after a transaction whose outcome is unknown, with the keys that it writes. It seals (L2) and says
   * whether it could: 'lost' when we are no longer the owner. A rejection counts as 'lost'.
   */
  readonly onUnknown: (touched: readonly string[]) => Promise<"sealed" | "lost">;
  readonly log: Logger;
}

/** From here on, `room` makes those wait who do not wait for each outcome. */
const PENDING_MAX = 10_000;
const LOST: ChangeOutcome = { kind: "lost" };

interface Pending {
  readonly change: Change;
  readonly resolve: (outcome: ChangeOutcome) => void;
  readonly reject: (error: unknown) => void;
}

export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #limits: BatchLimits;
  readonly #queue: Pending[] = [];
  /** Submitted and not decided: queued or in flight. */
  #undecided = 0;
  #state: "open" | "closing" | "lost" = "open";
  #tick: Timer | undefined;
  /** The loop that sends, while there is something to send (G1). */
  #sending: Promise<void> | undefined;
  #roomWanted: (() => void)[] = [];

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    this.#limits = { maxOps: options.maxOps ?? 100, maxCompares: options.maxCompares ?? 100 };
  }

  /** Changes that are submitted and not decided. */
  get pending(): number {
    return this.#undecided;
  }

  /**
   * Writes the change with others. 'lost' at once after `close`, `abandon` or a lost guard. Rejects with INTERNAL
   * for a change that etcd can never accept: a bug of the caller.
   */
  submit(change: Change): Promise<ChangeOutcome> {
    if (this.#state !== "open") return Promise.resolve(LOST);
    return new Promise((resolve, reject) => {
      this.#queue.push({ change, resolve, reject });
      this.#undecided++;
      if (this.#sending === undefined) this.#startTick();
    });
  }

  /** Resolves when fewer than 10,000 changes are undecided. For who submits without waiting for each outcome. */
  room(): Promise<void> {
    if (this.#undecided < PENDING_MAX) return Promise.resolve();
    return new Promise((resolve) => this.#roomWanted.push(resolve));
  }

  /** Takes no more changes, writes those that were submitted, and resolves when all are decided. */
  async close(): Promise<void> {
    if (this.#state === "open") this.#state = "closing";
    this.#send();
    await this.#sending;
  }

  /**
   * The owner's key is lost (L1): what was not sent is 'lost' now, and nothing more is sent. Only the transaction in
   * flight, if there is one, still gets its own outcome.
   */
  abandon(): void {
    this.#lose("the owner gave up");
  }

  #startTick(): void {
    this.#tick ??= this.#options.clock.timer(this.#options.tickMs ?? 5, () => this.#send());
  }

  #send(): void {
    this.#tick?.cancel();
    this.#tick = undefined;
    if (this.#queue.length > 0) this.#sending ??= this.#sendAll();
  }

  /** G1: one batch after the other, until the queue is empty. */
  async #sendAll(): Promise<void> {
    while (this.#queue.length > 0) {
      let undecided = takeBatch(this.#queue, this.#options.guard(), this.#limits);
      while (undecided.length > 0) undecided = await this.#round(undecided);
    }
    this.#sending = undefined;
  }

  /** One transaction, and what follows from it. Returns the changes that are still to be decided (G8). */
  async #round(batch: readonly Pending[]): Promise<Pending[]> {
    if (this.#state === "lost") return this.#decideAll(batch, LOST);
    const guard = this.#options.guard();
    const outcome = await this.#txn(guard, batch);
    switch (outcome.kind) {
      case "applied":
        return this.#decideAll(batch, { kind: "applied", revision: outcome.revision });
      case "refused":
        return this.#refused(guard, batch, outcome.reads);
      case "lease-not-found":
        return this.#leaseNotFound(batch);
      case "invalid":
        return this.#invalid(batch, outcome.message);
      case "unknown":
        return this.#unknown(batch, outcome.cause);
    }
  }

  /** Whatever is thrown on the way tells nothing about what became of it: that is G7's case. */
  async #txn(guard: readonly Compare[], batch: readonly Pending[]): Promise<TxnOutcome> {
    try {
      return await this.#options.etcd.txn(toTxn(guard, changesOf(batch)));
    } catch (error) {
      return { kind: "unknown", cause: messageOf(error) };
    }
  }

  /** G5. */
  #refused(guard: readonly Compare[], batch: readonly Pending[], reads: readonly (KeyValue | null)[]): Pending[] {
    const states = readsByKey(guard, changesOf(batch), reads);
    if (!allHold(guard, states)) {
      this.#lose("the guard does not hold any more");
      return this.#decideAll(batch, LOST);
    }
    const [rest, losers] = divide(batch, ({ change }) => allHold(change.compare, states));
    if (losers.length === 0) return this.#bug(batch, "etcd refused the transaction though every compare holds");
    for (const loser of losers) {
      const current = loser.change.compare.map(({ key }) => states.get(key) ?? null);
      this.#decide(loser, { kind: "refused", current });
    }
    return rest;
  }

  /** G6: one lease at least is dead. */
  async #leaseNotFound(batch: readonly Pending[]): Promise<Pending[]> {
    const dead = await this.#deadLeases(changesOf(batch));
    if (dead === undefined) return this.#unknown(batch, "cannot look up which lease is gone");
    const [rest, losers] = divide(batch, ({ change }) => !leasesOf([change]).some((lease) => dead.has(lease)));
    if (losers.length > 0) {
      this.#decideAll(losers, { kind: "lease-not-found" });
      return rest;
    }
    // None of them looks dead: then only trying them apart can tell.
    return batch.length > 1 ? this.#halve(batch) : this.#decideAll(batch, { kind: "lease-not-found" });
  }

  async #deadLeases(changes: readonly Change[]): Promise<ReadonlySet<string> | undefined> {
    const dead = new Set<string>();
    try {
      for (const lease of leasesOf(changes)) {
        if ((await this.#options.etcd.leaseTimeToLive(lease)) === null) dead.add(lease);
      }
      return dead;
    } catch (error) {
      this.#options.log.warn({ err: error }, "group commit: cannot look up leases");
      return undefined;
    }
  }

  /** G6: an invalid change is a bug of whoever submitted it, and theirs alone. */
  #invalid(batch: readonly Pending[], message: string): Pending[] | Promise<Pending[]> {
    return batch.length > 1 ? this.#halve(batch) : this.#bug(batch, `etcd can never accept it: ${message}`);
  }

  /** The first half by itself, to its end; the second is returned, to come next. */
  async #halve(batch: readonly Pending[]): Promise<Pending[]> {
    const middle = Math.ceil(batch.length / 2);
    let first = batch.slice(0, middle);
    while (first.length > 0) first = await this.#round(first);
    return batch.slice(middle);
  }

  /** G7. */
  async #unknown(batch: readonly Pending[], cause: string): Promise<Pending[]> {
    this.#options.log.warn({ cause, changes: batch.length }, "group commit: outcome unknown, sealing");
    const sealed = await this.#seal(writtenKeys(changesOf(batch)));
    if (!sealed) this.#lose("the seal failed");
    return this.#decideAll(batch, sealed ? { kind: "unknown" } : LOST);
  }

  async #seal(touched: readonly string[]): Promise<boolean> {
    try {
      return (await this.#options.onUnknown(touched)) === "sealed";
    } catch (error) {
      this.#options.log.error({ err: error }, "group commit: cannot seal");
      return false;
    }
  }

  #bug(batch: readonly Pending[], what: string): Pending[] {
    for (const pending of batch) {
      const { name } = pending.change;
      this.#undecided--;
      pending.reject(
        internal("CHANGE_INVALID", `cannot write the change "${name}": ${what}`, {
          metadata: { name },
        }),
      );
    }
    this.#giveRoom();
    return [];
  }

  /** L1: drops what waits. Once lost, lost for ever. */
  #lose(cause: string): void {
    if (this.#state === "lost") return;
    this.#state = "lost";
    this.#tick?.cancel();
    this.#options.log.info({ cause, waiting: this.#queue.length }, "group commit: lost, writing no more");
    this.#decideAll(this.#queue.splice(0), LOST);
  }

  #decideAll(batch: readonly Pending[], outcome: ChangeOutcome): Pending[] {
    for (const pending of batch) this.#decide(pending, outcome);
    return [];
  }

  #decide(pending: Pending, outcome: ChangeOutcome): void {
    this.#undecided--;
    pending.resolve(outcome);
    this.#giveRoom();
  }

  #giveRoom(): void {
    if (this.#undecided >= PENDING_MAX) return;
    for (const resolve of this.#roomWanted.splice(0)) resolve();
  }
}

function changesOf(batch: readonly Pending[]): Change[] {
  return batch.map(({ change }) => change);
}

function divide<T>(items: readonly T[], keep: (item: T) => boolean): [T[], T[]] {
  return [items.filter(keep), items.filter((item) => !keep(item))];
}
