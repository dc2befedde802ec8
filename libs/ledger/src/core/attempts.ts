/**
 * Whose fault (L9): for each datum that was tried and is not done, how often the user's command failed, and which workers were
 * lost with it alone in their claim. The two are never added up: a lost worker costs no user try.
 *
 * It mirrors the keys failures/<index>. Their number is bounded (L10): beyond it a try is not noted, and a datum whose worker dies
 * begins anew.
 */

/** Distinct workers that a datum may be lost with. */
export const QUARANTINE_AFTER = 3;
/** Datums with an open outcome that a ledger keeps. */
const OPEN_MAX = 1_000;

export interface OpenTries {
  /** Tries that the user's command has failed. */
  readonly tries: number;
  /** Workers that were lost with it alone in their claim. */
  readonly lostWorkers: readonly string[];
}

export interface Prior {
  readonly index: number;
  readonly tries: number;
  readonly losses: number;
  readonly quarantined: boolean;
}

export class Attempts {
  readonly #open = new Map<number, OpenTries>();

  get open(): ReadonlyMap<number, OpenTries> {
    return this.#open;
  }

  load(index: number, tries: OpenTries): void {
    this.#open.set(index, tries);
  }

  /** The command has failed `tries` times. What is to be written; null: that is known, or there is no room. */
  tried(index: number, tries: number): OpenTries | null {
    const known = this.#known(index);
    return known === null || tries <= known.tries ? null : this.#note(index, { ...known, tries });
  }

  /** A worker was lost with the datum alone in its claim. What is to be written; null: that is known, or there is no room. */
  lost(index: number, worker: string): OpenTries | null {
    const known = this.#known(index);
    if (known === null || known.lostWorkers.includes(worker) || known.lostWorkers.length >= QUARANTINE_AFTER)
      return null;
    return this.#note(index, { ...known, lostWorkers: [...known.lostWorkers, worker] });
  }

  /** The datums of [from, to) that were tried before, in order. */
  prior(from: number, to: number): Prior[] {
    return this.indexes(from, to).map((index) => {
      const { tries, lostWorkers } = this.#open.get(index) as OpenTries;
      const losses = lostWorkers.length;
      return { index, tries, losses, quarantined: losses >= QUARANTINE_AFTER };
    });
  }

  indexes(from: number, to: number): number[] {
    if (this.#open.size === 0) return [];
    return [...this.#open.keys()].filter((index) => from <= index && index < to).sort((a, b) => a - b);
  }

  /** The datums that one more lost worker would quarantine, in order. */
  get suspects(): readonly number[] {
    if (this.#open.size === 0) return [];
    const isSuspect = (index: number) => this.#open.get(index)?.lostWorkers.length === QUARANTINE_AFTER - 1;
    return [...this.#open.keys()].filter(isSuspect).sort((a, b) => a - b);
  }

  /** They are done: their rows say how. */
  forget(indexes: readonly number[]): void {
    for (const index of indexes) this.#open.delete(index);
  }

  #known(index: number): OpenTries | null {
    return this.#open.get(index) ?? (this.#open.size < OPEN_MAX ? { tries: 0, lostWorkers: [] } : null);
  }

  #note(index: number, tries: OpenTries): OpenTries {
    this.#open.set(index, tries);
    return tries;
  }
}
