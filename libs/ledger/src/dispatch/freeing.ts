import { dispatch } from "@sheaf/proto";
import type { Clock } from "@sheaf/runtime";
import { inWork } from "../core/in-work.ts";
import type { EtcdLedger } from "../owner/etcd-ledger.ts";
import type { Losses } from "./losses.ts";
import type { Races } from "./races.ts";
import type { Roster } from "./roster.ts";
import type { WorkerSession } from "./worker-session.ts";

export interface FreeingDeps {
  readonly clock: Clock;
  readonly roster: Roster;
  readonly races: Races;
  readonly losses: Losses;
  /** Those that are being closed among them. */
  readonly ledgers: () => readonly EtcdLedger[];
  /** Something is free. */
  readonly onFreed: () => void;
}

/** Claims that come free without being done, by the owner's own transactions (L3): somebody does not hold them any more. */
export class Freeing {
  readonly #deps: FreeingDeps;
  /** Claims without a session that are being freed. */
  readonly #unheld = new Set<string>();

  constructor(deps: FreeingDeps) {
    this.#deps = deps;
  }

  /** A worker that is here does not hold it. */
  dropped(session: WorkerSession, claim: string, ledger: EtcdLedger): void {
    session.claims.delete(claim);
    void ledger.freeClaim(claim).then(() => this.#freed(ledger, claim));
  }

  /** Its worker is gone. `isLoss`: what was in work was lost with it (L9), and not given back. */
  async gone(session: WorkerSession, isLoss: boolean): Promise<void> {
    const { losses, clock } = this.#deps;
    const lost = isLoss ? inWork(claimsOf(session)) : new Set();
    await Promise.all(
      this.#under(session).map(async ({ claim, ledger }) => {
        const part = await ledger.freeClaim(claim);
        if (part !== null && lost.has(claim)) losses.freed(ledger, part, session.worker, clock.now());
        await this.#freed(ledger, claim);
      }),
    );
  }

  /** No session holds it: nobody was told of it, or its worker has not come since a takeover. */
  async unheld(ledger: EtcdLedger, claim: string): Promise<void> {
    if (this.#unheld.has(claim)) return;
    this.#unheld.add(claim);
    try {
      await ledger.freeClaim(claim);
    } finally {
      this.#unheld.delete(claim);
    }
    await this.#freed(ledger, claim);
  }

  /** Those from before a takeover that nobody has shown in time. What of them ran, nobody can tell: no loss is counted (L9). */
  orphans(ledgers: Iterable<EtcdLedger>): void {
    const { roster } = this.#deps;
    for (const ledger of ledgers) {
      for (const claim of ledger.partition.claims.values()) {
        const isHeld = roster.get(claim.worker)?.claims.has(claim.id) === true;
        if (claim.fence !== null && !isHeld) void this.unheld(ledger, claim.id);
      }
    }
  }

  async #freed(ledger: EtcdLedger, claim: string): Promise<void> {
    this.#deps.races.claimGone(claim, dispatch.CancelReason.LOST);
    await ledger.settle();
    this.#deps.onFreed();
  }

  /** All claims under a session's lease: also those that are being written or freed, of which the worker knows nothing. */
  #under({ lease }: WorkerSession): { claim: string; ledger: EtcdLedger }[] {
    return this.#deps
      .ledgers()
      .flatMap((ledger) =>
        [...ledger.partition.claims.values()]
          .filter((claim) => claim.lease === lease.id)
          .map(({ id }) => ({ claim: id, ledger })),
      );
  }
}

/** What its worker was told that it holds, in that order. */
function claimsOf({ claims }: WorkerSession) {
  return [...claims].flatMap(([id, { ledger }]) => ledger.partition.claims.get(id) ?? []);
}
