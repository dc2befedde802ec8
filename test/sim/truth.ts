/** What is true of the work, whoever does it: how long an index takes, whether its command fails, and what was lost of it. */
import type { LedgerKind } from "@sheaf/ledger";
import type { Random } from "@sheaf/runtime";
import type { Faults } from "./faults.ts";

/** Tries of a command before its datum has failed. */
export const TRIES = 3;

/** How much longer a straggler takes. */
const STRAGGLES_MS = 2_000;

/** How much slower than usual a worker is at most. */
export const SLOWNESS_MAX = 4;

export class Truth {
  readonly #faults: Faults;
  readonly #random: Random;
  readonly #stragglers: boolean;
  readonly #ms = new Map<string, number>();

  readonly #bad = new Map<string, boolean>();
  /** By index: times that the user's command has failed. */
  readonly #failures = new Map<string, number>();
  /** By index: the workers that were given it. */
  readonly #given = new Map<string, Set<string>>();
  /** Workers that crashed, stood still or were cut off: an owner may count them as lost. */
  readonly #absent = new Set<string>();

  constructor(faults: Faults, random: Random) {
    this.#faults = faults;
    this.#random = random;
    this.#stragglers = random.float() < 0.4;
  }

  /** Milliseconds that the index takes now on a worker of usual speed: sometimes much longer, and elsewhere it would not. */
  ms(job: string, kind: LedgerKind, index: number): number {
    const key = `${job}/${kind}/${index}`;
    const usual = this.#ms.get(key) ?? 10 + 250 * this.#random.float() ** 2;
    this.#ms.set(key, usual);
    return this.#stragglers && this.#random.float() < 0.05 ? usual + STRAGGLES_MS : usual;
  }

  /** A try of the command. True: it failed. */
  tryFails(job: string, kind: LedgerKind, index: number): boolean {
    if (kind !== "process" || !this.#faults.on.has("user-failures")) return false;
    if (this.#random.float() > (this.#isBad(job, index) ? 0.9 : 0.03)) return false;
    this.#failures.set(`${job}/${index}`, this.failures(job, index) + 1);
    return true;
  }

  /** One datum in fifty is one that the command cannot do. */
  #isBad(job: string, index: number): boolean {
    const key = `${job}/${index}`;
    const isBad = this.#bad.get(key) ?? this.#random.float() < 0.02;
    this.#bad.set(key, isBad);
    return isBad;
  }

  failures(job: string, index: number): number {
    return this.#failures.get(`${job}/${index}`) ?? 0;
  }

  given(job: string, kind: LedgerKind, from: number, to: number, worker: string): void {
    for (let i = from; i < to; i++) {
      const workers = this.#given.get(`${job}/${kind}/${i}`) ?? new Set();
      this.#given.set(`${job}/${kind}/${i}`, workers.add(worker));
    }
  }

  absent(worker: string): void {
    this.#absent.add(worker);
  }

  /** How many workers can have been lost with the index. */
  losses(job: string, kind: LedgerKind, index: number): number {
    const given = this.#given.get(`${job}/${kind}/${index}`) ?? new Set();
    if (this.#faults.on.has("slow-net")) return given.size;
    return given.intersection(this.#absent).size;
  }
}
