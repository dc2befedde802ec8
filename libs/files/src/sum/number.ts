/**
 * Exact numbers for `sum`: integers of any size and decimals. Most are small integers and stay JavaScript numbers; the
 * others are a whole number of 10^-scale.
 *
 * A value has one form, whatever was added in which order: no zero at the end of its decimals, and a safe integer is
 * always a number. So equal sums are equal text.
 */
export interface Decimal {
  /** The value times 10^scale. */
  readonly units: bigint;
  /** Digits after the point. */
  readonly scale: number;
}
export type Value = number | Decimal;

/** Longest number that is read, in characters: bounds the work that a line can make. */
export const NUMBER_CHARS_MAX = 1_000;
/** Any number of this many digits is a safe integer. */
export const SAFE_DIGITS = 15;

const NUMBER = /^([+-]?)(\d+)(?:\.(\d*))?$|^([+-]?)\.(\d+)$/;

/** Reads `12`, `-3`, `+4`, `1.50`, `.5`, `5.`; null for everything else, also for exponents and more than 1,000 characters. */
export function parseNumber(text: string): Value | null {
  if (text.length > NUMBER_CHARS_MAX) return null;
  const match = NUMBER.exec(text);
  if (match === null) return null;
  const decimals = match[3] ?? match[5] ?? "";
  const units = BigInt((match[2] ?? "") + decimals);
  const negative = (match[1] ?? match[4]) === "-";
  return canonical(negative ? -units : units, decimals.length);
}

export function addValues(a: Value, b: Value): Value {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  const x = toDecimal(a);
  const y = toDecimal(b);
  const scale = Math.max(x.scale, y.scale);
  return canonical(atScale(x, scale) + atScale(y, scale), scale);
}

/** Digits without superfluous zeros or plus signs: `-3.5`, `0`, `12`. */
export function formatNumber(value: Value): string {
  // Adding 0 makes -0 a 0.
  if (typeof value === "number") return String(value + 0);
  const digits = (value.units < 0n ? -value.units : value.units).toString().padStart(value.scale + 1, "0");
  const sign = value.units < 0n ? "-" : "";
  if (value.scale === 0) return sign + digits;
  return `${sign}${digits.slice(0, -value.scale)}.${digits.slice(-value.scale)}`;
}

function canonical(units: bigint, scale: number): Value {
  let whole = units;
  let digits = scale;
  while (digits > 0 && whole % 10n === 0n) {
    whole /= 10n;
    digits--;
  }
  const small = digits === 0 ? Number(whole) : Number.NaN;
  return Number.isSafeInteger(small) ? small : { units: whole, scale: digits };
}

function toDecimal(value: Value): Decimal {
  return typeof value === "number" ? { units: BigInt(value), scale: 0 } : value;
}

function atScale(value: Decimal, scale: number): bigint {
  return value.units * 10n ** BigInt(scale - value.scale);
}
