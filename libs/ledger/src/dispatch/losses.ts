import type { Interval } from "../core/interval-set.ts";
import type { EtcdLedger } from "../owner/etcd-ledger.ts";

interface Suspect {
  readonly ledger: EtcdLedger;
  readonly index: number;
  readonly worker: string;
  /** Clock time, in milliseconds. */
  readonly freedAt: number;
}

/** Ended workers that are remembered: their streams may break after the news of their end. */
const EXITED_MAX = 1_000;

/**
 * L9: which losses count. A claim that was freed because its worker went silent says nothing yet: the worker may be cut off, or be
 * back in a moment, even before etcd has taken the claim from it. It counts when the worker's process is known to have ended, or when it
 * stays away for a minute.
 */
export class Losses {
  readonly #lossMs: number;
  readonly #isHere: (worker: string) => boolean;
  #suspects: Suspect[] = [];
  readonly #exited = new Set<string>();

  /** `isHere`: whether the worker has a session now. */
  constructor(lossMs: number, isHere: (worker: string) => boolean) {
    this.#lossMs = lossMs;
    this.#isHere = isHere;
  }

  /** `part` was freed, because its worker could not be heard any more. */
  freed(ledger: EtcdLedger, part: Interval, worker: string, now: number): void {
    ledger.lostPieces.lost(part);
    if (part.end - part.start > 1) return; // which one of them it was, smaller claims will tell
    const suspect = { ledger, index: part.start, worker, freedAt: now };
    if (this.#exited.has(worker)) count(suspect);
    else if (!this.#isHere(worker)) this.#suspects.push(suspect);
  }

  /** It was not lost after all, or lost by no fault of its own. */
  back(worker: string): void {
    this.#exited.delete(worker);
    this.#suspects = this.#suspects.filter((suspect) => suspect.worker !== worker);
  }

  exited(worker: string): void {
    this.#exited.add(worker);
    const [oldest] = this.#exited;
    if (this.#exited.size > EXITED_MAX && oldest !== undefined) this.#exited.delete(oldest);
    this.#countThose((suspect) => suspect.worker === worker);
  }

  tick(now: number): void {
    this.#countThose(({ worker, freedAt }) => now - freedAt >= this.#lossMs && !this.#isHere(worker));
  }

  #countThose(isLost: (suspect: Suspect) => boolean): void {
    const lost = this.#suspects.filter(isLost);
    this.#suspects = this.#suspects.filter((suspect) => !lost.includes(suspect));
    for (const suspect of lost) count(suspect);
  }
}

function count({ ledger, index, worker }: Suspect): void {
  void ledger.lostAlone(index, worker);
}
