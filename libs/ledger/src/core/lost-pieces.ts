import type { Interval } from "./interval-set.ts";

/** A lost interval is handed out again in so many pieces (L9): what killed its worker is alone in its claim after a few losses. */
const PIECES = 8;

/**
 * How large claims may be where claims were lost. Its size grows with the losses of intervals that are not done yet, never with
 * the number of indexes. It lives in the owner's memory only: after a takeover the search for the killer begins anew.
 */
export class LostPieces {
  /** Sorted and disjoint. */
  #parts: { start: number; end: number; size: number }[] = [];

  /** [start, end) was lost with its worker. */
  lost({ start, end }: Interval): void {
    this.done(start, end);
    this.#parts.push({ start, end, size: Math.max(1, Math.ceil((end - start) / PIECES)) });
    this.#parts.sort((a, b) => a.start - b.start);
  }

  /** [from, to) is done: it killed nobody. */
  done(from: number, to: number): void {
    if (this.#parts.length === 0) return;
    this.#parts = this.#parts.flatMap((part) => {
      if (part.end <= from || to <= part.start) return [part];
      const before = part.start < from ? [{ ...part, end: from }] : [];
      const after = to < part.end ? [{ ...part, start: to }] : [];
      return [...before, ...after];
    });
  }

  /** The parts of `free`, sorted and disjoint, that were lost. In order. */
  among(free: readonly Interval[]): Interval[] {
    return this.#parts.flatMap(({ start, end }) =>
      free
        .map((part) => ({ start: Math.max(part.start, start), end: Math.min(part.end, end) }))
        .filter((part) => part.start < part.end),
    );
  }

  /** The most that a claim may have that begins at `start` and would have `size` indexes. */
  most(start: number, size: number): number {
    const part = this.#parts.find(({ end }) => end > start);
    if (part === undefined) return size;
    return start < part.start ? Math.min(size, part.start - start) : Math.min(size, part.size, part.end - start);
  }
}
