/**
 * Merges sorted sources into one sorted stream. A tree of losers: the winner of a match goes up, the loser stays in the
 * node, so that the next record costs one comparison per level and no more.
 *
 * Records come and go in batches, so that there is a promise per batch and not per record. Equal records come in the order
 * of their sources. Memory: one batch per source, and one that is handed out.
 */

/** Some records, taken one by one from 0 up; each is asked for once, so it may be unpacked then. An array is one. */
export interface Batch<T> {
  readonly length: number;
  at(index: number): T | undefined;
}

const OUT_MAX = 512;

export async function* mergeSorted<T>(
  sources: readonly AsyncIterable<Batch<T>>[],
  compare: (a: T, b: T) => number,
): AsyncGenerator<readonly T[], void, void> {
  const cursors = sources.map((source) => new Cursor(source[Symbol.asyncIterator]()));
  try {
    await Promise.all(cursors.map((cursor) => cursor.refill()));
    yield* play(cursors, compare);
  } finally {
    // Lets go of what the sources hold when the reader stops early.
    await Promise.all(cursors.map((cursor) => cursor.close()));
  }
}

async function* play<T>(
  cursors: readonly Cursor<T>[],
  compare: (a: T, b: T) => number,
): AsyncGenerator<readonly T[], void, void> {
  const tree = new LoserTree(cursors, compare);
  let out: T[] = [];
  for (let winner = tree.winner; winner?.head !== undefined; winner = tree.winner) {
    out.push(winner.head);
    if (!winner.step()) await winner.refill();
    tree.replay();
    if (out.length >= OUT_MAX) {
      yield out;
      out = [];
    }
  }
  if (out.length > 0) yield out;
}

class Cursor<T> {
  readonly #source: AsyncIterator<Batch<T>>;
  #batch: Batch<T> | undefined;
  #at = 0;
  /** The record that is next; undefined when the source is at its end. */
  head: T | undefined;

  constructor(source: AsyncIterator<Batch<T>>) {
    this.#source = source;
  }

  /** Goes to the next record of the batch; false when it has none. */
  step(): boolean {
    this.head = ++this.#at < (this.#batch?.length ?? 0) ? this.#batch?.at(this.#at) : undefined;
    return this.head !== undefined;
  }

  async refill(): Promise<void> {
    do {
      const next = await this.#source.next();
      this.#batch = next.done === true ? undefined : next.value;
    } while (this.#batch?.length === 0);
    this.#at = -1;
    this.step();
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }
}

class LoserTree<T> {
  readonly #cursors: readonly Cursor<T>[];
  readonly #compare: (a: T, b: T) => number;
  /** [0] the winner; [1..] the loser of each match. -1: nobody has come yet, who beats all. */
  readonly #nodes: Int32Array;

  constructor(cursors: readonly Cursor<T>[], compare: (a: T, b: T) => number) {
    this.#cursors = cursors;
    this.#compare = compare;
    this.#nodes = new Int32Array(Math.max(1, cursors.length)).fill(-1);
    for (let i = cursors.length - 1; i >= 0; i--) this.#climb(i);
  }

  get winner(): Cursor<T> | undefined {
    return this.#cursors[this.#nodes[0] as number];
  }

  /** To be called when the winner has another head. */
  replay(): void {
    this.#climb(this.#nodes[0] as number);
  }

  #climb(from: number): void {
    let player = from;
    for (let node = (player + this.#cursors.length) >> 1; node > 0; node >>= 1) {
      const other = this.#nodes[node] as number;
      if (this.#beats(other, player)) {
        this.#nodes[node] = player;
        player = other;
      }
    }
    this.#nodes[0] = player;
  }

  #beats(a: number, b: number): boolean {
    if (a < 0) return true;
    if (b < 0) return false;
    const x = this.#cursors[a]?.head;
    const y = this.#cursors[b]?.head;
    if (x === undefined) return false;
    if (y === undefined) return true;
    const order = this.#compare(x, y);
    return order === 0 ? a < b : order < 0;
  }
}
