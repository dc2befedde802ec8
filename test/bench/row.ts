/** One line of the table. */
export interface Row {
  readonly what: string;
  /** Our median, with its unit. */
  readonly ours: string;
  /** The median of what it is compared with. */
  readonly against: string;
  readonly goal: string;
  readonly figure: string;
  readonly reached: boolean;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** "1.23 (1.10-1.40)": the median and the range. */
export function spread(values: readonly number[], digits = 2): string {
  const text = (value: number) => value.toFixed(digits);
  return `${text(median(values))} (${text(Math.min(...values))}-${text(Math.max(...values))})`;
}
