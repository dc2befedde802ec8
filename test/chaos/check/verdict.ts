// What the checker says.

export interface Broken {
  /** "I1", as in README.md. */
  readonly invariant: string;
  /** What is wrong, with the key and the revision where there are any. */
  readonly what: string;
}

/** Collects what is broken; at most MOST of one invariant, for people. */
export class Findings {
  readonly broken: Broken[] = [];
  readonly #counts = new Map<string, number>();

  /** Notes it unless it holds. */
  check(holds: boolean, invariant: string, what: () => string): void {
    if (holds) return;
    const count = (this.#counts.get(invariant) ?? 0) + 1;
    this.#counts.set(invariant, count);
    if (count <= MOST) this.broken.push({ invariant, what: what() });
  }
}

const MOST = 20;
