/**
 * How far a command says that it is: the last line of a file that it may append to. It is not to be trusted: the file may be a link,
 * a FIFO or endless, and the text anything.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { fitMessage } from "./outcome.ts";

/** Bytes of a note; and what is read of the file's end: a line longer than this shows its end only. */
const NOTE_BYTES_MAX = 200;
const TAIL_BYTES = 1_024;
/** 0.29 of 100 is 28.999999999999996. */
const ROUNDING = 1e-9;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they must not reach anybody's terminal
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** Empty when it says nothing, or nothing that can be read: most commands have no such file, and nothing depends on it. */
export function readNote(file: string): string {
  try {
    return noteOf(tailOf(file));
  } catch {
    return "";
  }
}

/** Neither follows a link nor waits for the other end of a FIFO. */
function tailOf(file: string): string {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return "";
    const tail = Buffer.alloc(TAIL_BYTES);
    const read = readSync(fd, tail, 0, TAIL_BYTES, Math.max(0, stat.size - TAIL_BYTES));
    return tail.subarray(0, read).toString();
  } finally {
    closeSync(fd);
  }
}

/** The last line with something in it; a fraction from 0 to 1 and a percentage as "40 %". */
export function noteOf(text: string): string {
  const line =
    text
      .split(/[\r\n]+/)
      .findLast((each) => each.trim() !== "")
      ?.trim() ?? "";
  const share = /^(?:0?\.\d+|[01](?:\.\d*)?)$/.test(line) ? Number(line) * 100 : undefined;
  const percent = share ?? (/^\d{1,3}(?:\.\d*)? ?%$/.test(line) ? Number.parseFloat(line) : undefined);
  if (percent !== undefined && percent <= 100) return `${Math.floor(percent + ROUNDING)} %`;
  return fitMessage(line.replaceAll(CONTROL, escaped), NOTE_BYTES_MAX);
}

/** "\u001b": seen, and without effect. */
function escaped(control: string): string {
  return `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
