/** A half-open interval of indexes: [start, end). */
export interface Interval {
  readonly start: number;
  readonly end: number;
}

/**
 * A set of whole numbers kept as sorted, disjoint intervals that do not touch. Its cost grows with the number of gaps, never
 * with the number of indexes (L10).
 */
export class IntervalSet {
  readonly #parts: { start: number; end: number }[];

  private constructor(parts: { start: number; end: number }[]) {
    this.#parts = parts;
  }

  static empty(): IntervalSet {
    return new IntervalSet([]);
  }

  static of(start: number, end: number): IntervalSet {
    return new IntervalSet(start < end ? [{ start, end }] : []);
  }

  get intervals(): readonly Interval[] {
    return this.#parts;
  }

  /** Number of indexes in the set. */
  get size(): number {
    return this.#parts.reduce((sum, part) => sum + part.end - part.start, 0);
  }

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  /** Whether any index of [start, end) is in the set. */
  overlaps(start: number, end: number): boolean {
    if (start >= end) return false;
    const part = this.#parts[this.#firstEndingAfter(start)];
    return part !== undefined && part.start < end;
  }

  /** Whether all of [start, end) is in the set. The empty interval always is. */
  contains(start: number, end: number): boolean {
    if (start >= end) return true;
    const part = this.#parts[this.#firstEndingAfter(start)];
    return part !== undefined && part.start <= start && end <= part.end;
  }

  add(start: number, end: number): void {
    if (start >= end) return;
    // Parts that overlap or touch become one with it.
    const from = this.#firstEndingAfter(start - 1);
    let to = from;
    let low = start;
    let high = end;
    for (let part = this.#parts[to]; part !== undefined && part.start <= end; part = this.#parts[++to]) {
      low = Math.min(low, part.start);
      high = Math.max(high, part.end);
    }
    this.#parts.splice(from, to - from, { start: low, end: high });
  }

  remove(start: number, end: number): void {
    if (start >= end) return;
    const from = this.#firstEndingAfter(start);
    let to = from;
    const left: { start: number; end: number }[] = [];
    for (let part = this.#parts[to]; part !== undefined && part.start < end; part = this.#parts[++to]) {
      if (part.start < start) left.push({ start: part.start, end: start });
      if (end < part.end) left.push({ start: end, end: part.end });
    }
    this.#parts.splice(from, to - from, ...left);
  }

  /** What of [start, end) is not in the set, as the smallest interval that holds all of it; null: nothing. */
  hullOutside(start: number, end: number): Interval | null {
    const first = this.#parts[this.#firstEndingAfter(start)];
    const low = first !== undefined && first.start <= start ? first.end : start;
    const last = this.#parts[this.#firstEndingAfter(end - 1)];
    const high = last !== undefined && last.start < end && end <= last.end ? last.start : end;
    return low < high ? { start: low, end: high } : null;
  }

  /** Position of the first part that ends after `index`. */
  #firstEndingAfter(index: number): number {
    let low = 0;
    let high = this.#parts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#parts[middle]?.end ?? 0) > index) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
