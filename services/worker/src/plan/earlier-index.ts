/**
 * Where earlier jobs have the result of a datum, by its id. Ids are SHA-256 values, so 64 bits of them are kept: 32 say
 * where to look in the table, 32 are stored there to be compared. Of two ids that agree in so much (once in some hundred jobs of
 * ten million datums) one finds the place of the other: the row there names its id, and the datum is then run.
 *
 * Memory: 10.7 bytes per datum, at most 128 MiB. Datums beyond that are not found, and are run.
 */
import type { store } from "@sheaf/proto";

/** Of all earlier jobs together. */
const DATUMS_MAX = 12_000_000;
const LOAD = 0.75;
const WORD = 2 ** 32;

/** A datum of an earlier job: which job, and its index there. */
export type Place = Pick<store.EarlierDatum, "job" | "index">;

export class EarlierIndex {
  readonly #capacity: number;
  readonly #prints: Uint32Array;
  /** Position in the row of all jobs' datums, plus one; 0: nothing is here. */
  readonly #places: Uint32Array;
  /** Position of each job's first datum. */
  readonly #firsts: number[] = [];
  #size = 0;

  /** `datums`: of each earlier job. */
  constructor(datums: readonly number[]) {
    let first = 0;
    for (const count of datums) {
      this.#firsts.push(first);
      first += count;
    }
    this.#capacity = Math.ceil(Math.min(first, DATUMS_MAX) / LOAD) + 1;
    this.#prints = new Uint32Array(this.#capacity);
    this.#places = new Uint32Array(this.#capacity);
  }

  /** No more can be added. */
  get isFull(): boolean {
    return this.#size >= DATUMS_MAX;
  }

  /** Of several datums with one id the first counts. */
  add(id: string, job: number, index: number): void {
    const slot = this.#slotOf(id);
    if (this.#places[slot] !== 0 || this.isFull) return;
    this.#prints[slot] = word(id, 1);
    this.#places[slot] = (this.#firsts[job] ?? 0) + index + 1;
    this.#size++;
  }

  find(id: string): Place | undefined {
    const place = this.#places[this.#slotOf(id)] as number;
    if (place === 0) return undefined;
    const job = this.#firsts.findLastIndex((first) => first < place);
    return { job, index: BigInt(place - 1 - (this.#firsts[job] as number)) };
  }

  /** Where the id stands, or would stand. */
  #slotOf(id: string): number {
    const print = word(id, 1);
    let slot = Math.floor((word(id, 0) / WORD) * this.#capacity);
    while (this.#places[slot] !== 0 && this.#prints[slot] !== print) slot = (slot + 1) % this.#capacity;
    return slot;
  }
}

/** 32 bits of an id. */
function word(id: string, at: number): number {
  return Number.parseInt(id.slice(at * 8, at * 8 + 8), 16) >>> 0;
}
