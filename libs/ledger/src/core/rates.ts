import { observe } from "./claim-size.ts";

/** What a done interval says of time. */
interface Timed {
  readonly start: number;
  readonly end: number;
  readonly worker: string;
  readonly totals: {
    readonly downloadMs: bigint;
    readonly processMs: bigint;
    readonly uploadMs: bigint;
    readonly medianMs: bigint;
  };
}

/** How long an index takes: observed per worker, over all of them, and the median. Its size grows with commits and workers. */
export class Rates {
  #all: number | null = null;
  readonly #ofWorker = new Map<string, number>();
  readonly #medians: { ms: number; count: number }[] = [];
  #median: number | null = null;

  enter({ start, end, worker, totals }: Timed): void {
    const count = end - start;
    // The stages overlap, so the slowest is what a worker's time goes by.
    const ms = Math.max(Number(totals.downloadMs), Number(totals.processMs), Number(totals.uploadMs));
    const median = Number(totals.medianMs);
    if (median > 0) {
      this.#medians.push({ ms: median, count });
      this.#median = null;
    }
    if (ms <= 0) return;
    this.#all = observe(this.#all, ms, count);
    this.#ofWorker.set(worker, observe(this.#ofWorker.get(worker) ?? null, ms, count));
  }

  /** Milliseconds of a slot per index, over all workers; null: nothing is known yet. */
  get overall(): number | null {
    return this.#all;
  }

  /** Milliseconds of one of the worker's slots per index: its own rate, else everybody's; null: nothing is known yet. */
  msPerIndex(worker: string): number | null {
    return this.#ofWorker.get(worker) ?? this.#all;
  }

  /** Median milliseconds of an index: that of the runs' medians, each weighing as much as its run. Null: nothing is done. */
  medianMs(): number | null {
    this.#median ??= weightedMedian(this.#medians);
    return this.#median;
  }
}

function weightedMedian(parts: readonly { ms: number; count: number }[]): number | null {
  const sorted = parts.toSorted((a, b) => a.ms - b.ms);
  const half = sorted.reduce((sum, { count }) => sum + count, 0) / 2;
  let seen = 0;
  for (const { ms, count } of sorted) {
    seen += count;
    if (seen >= half) return ms;
  }
  return null;
}
