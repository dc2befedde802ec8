/** The median of the times that indexes took, in milliseconds: at least 1, and 0 when none ran. The weight of a unit of work. */
export function medianMs(times: readonly number[]): bigint {
  if (times.length === 0) return 0n;
  const middle = [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] as number;
  return BigInt(Math.max(1, Math.round(middle)));
}
