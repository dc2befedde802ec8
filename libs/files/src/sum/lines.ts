/** Lines under `sum`: "key TAB number LF". The key is any bytes but TAB and LF, also none; the last LF may be missing. */
import { buffer, copyOf } from "../bytes.ts";
import { parseNumber, SAFE_DIGITS } from "./number.ts";

export const TAB = 0x09;
export const LF = 0x0a;
/** Longest line in bytes, with its LF. */
export const LINE_BYTES_MAX = 64 * 1024;

/** A line that cannot be added up. */
export interface SumFault {
  /** Counted from 1. */
  readonly line: number;
  /** What is wrong, with the line itself (cut): for people. */
  readonly detail: string;
}

/** Bytes of a file: in memory, or opened anew whenever they are wanted, in pieces of any size. */
export type SumSource = Uint8Array | (() => Iterable<Uint8Array>);

/** The first line of the file that cannot be added up, or null. */
export function checkSum(source: SumSource): SumFault | null {
  let lines = 0;
  for (const block of wholeLines(source)) {
    if (typeof block === "string") return { line: lines + 1, detail: block };
    for (let from = 0; from < block.length; ) {
      lines++;
      const next = afterPlainLine(block, from);
      if (next > from) {
        from = next;
        continue;
      }
      const end = endOfLine(block, from);
      const detail = faultIn(block, from, end);
      if (detail !== null) return { line: lines, detail };
      from = end + 1;
    }
  }
  return null;
}

/**
 * The file in blocks of whole lines, each line ended by LF; a string says why that is not possible. A block may lie in the
 * source's own memory: it holds until the next one is asked for.
 */
export function* wholeLines(source: SumSource): Generator<Uint8Array | string, void, void> {
  let rest: Uint8Array | undefined;
  for (const piece of source instanceof Uint8Array ? [source] : source()) {
    const end = piece.lastIndexOf(LF) + 1;
    if (end === 0) {
      rest = rest === undefined ? copyOf(piece) : Buffer.concat([rest, piece]);
    } else {
      const head = piece.subarray(0, end);
      yield rest === undefined ? head : Buffer.concat([rest, head]);
      rest = end < piece.length ? copyOf(piece.subarray(end)) : undefined;
    }
    if (rest !== undefined && rest.length > LINE_BYTES_MAX && !(source instanceof Uint8Array)) {
      yield `it is longer than ${LINE_BYTES_MAX} bytes`;
      return;
    }
  }
  if (rest !== undefined && rest.length > 0) yield Buffer.concat([rest, Uint8Array.of(LF)]);
}

export function endOfLine(block: Uint8Array, from: number): number {
  const end = block.indexOf(LF, from);
  return end < 0 ? block.length : end;
}

function faultIn(block: Uint8Array, from: number, end: number): string | null {
  const tab = block.indexOf(TAB, from);
  if (end - from >= LINE_BYTES_MAX) return `it is longer than ${LINE_BYTES_MAX} bytes`;
  if (tab < 0 || tab > end) return `it has no TAB: ${shown(block, from, end)}`;
  const text = buffer(block).toString("latin1", tab + 1, end);
  if (text.includes("\t")) return `it has more than one TAB: ${shown(block, from, end)}`;
  return parseNumber(text) === null ? `what stands after its TAB is not a number: ${shown(block, from, end)}` : null;
}

/**
 * Where the next line begins, if this one ends in 1 to 15 digits, as nearly every line does; else `from`. One loop over the
 * bytes: for lines of ten bytes a call into Node costs more than the line.
 */
function afterPlainLine(block: Uint8Array, from: number): number {
  let at = from;
  for (; at < block.length; at++) {
    const byte = block[at] as number;
    if (byte === TAB) break;
    if (byte === LF) return from;
  }
  const number = ++at;
  for (; at < block.length; at++) {
    const digit = (block[at] as number) - 0x30;
    if (digit < 0 || digit > 9) break;
  }
  const digits = at - number;
  const isPlain = block[at] === LF && digits > 0 && digits <= SAFE_DIGITS && at - from < LINE_BYTES_MAX;
  return isPlain ? at + 1 : from;
}

function shown(block: Uint8Array, from: number, end: number): string {
  const text = buffer(block).toString("utf8", from, Math.min(end, from + 80));
  return JSON.stringify(end - from > 80 ? `${text}...` : text);
}
