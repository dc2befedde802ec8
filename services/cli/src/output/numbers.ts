/** Numbers as people read them. Pure. */

/** "4,600". */
export function count(value: bigint | number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

/** "1 datum", "4,600 datums". */
export function counted(value: bigint | number, one: string, many = `${one}s`): string {
  return `${count(value)} ${Number(value) === 1 ? one : many}`;
}

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/** "812 B", "1.5 MB", "23 GB": powers of 1,000. */
export function bytes(value: bigint | number): string {
  let rest = Number(value);
  let unit = 0;
  // 999.95 would be shown as "1000".
  for (; rest >= (unit === 0 ? 1_000 : 999.5) && unit < UNITS.length - 1; unit++) rest /= 1_000;
  const digits = unit === 0 || rest >= 99.95 ? 0 : 1;
  return `${rest.toFixed(digits).replace(/\.0$/, "")} ${UNITS[unit]}`;
}

/** "34 ms", "1.3 s", "12.0 s", "5 min 3 s", "2 h 5 min". */
export function duration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  const seconds = ms / 1_000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
}
