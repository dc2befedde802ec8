// What the commands wrote down of themselves.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Note {
  /** Monotonic, exact to 10 ms. */
  readonly ns: number;
  readonly job: string;
  /** "00017.txt". */
  readonly file: string;
  readonly word: "begin" | "end" | "fail";
  readonly worker: string;
}

/** `shiftNs`: what the monotonic clock is ahead of /proc/uptime. */
export function readNotes(folder: string, shiftNs: number): Note[] {
  return readdirSync(join(folder, "notes")).flatMap((name) =>
    readFileSync(join(folder, "notes", name), "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => noteOf(line, shiftNs)),
  );
}

function noteOf(line: string, shiftNs: number): Note {
  const [up = "0", job = "", file = "", word = "", place = ""] = line.split(" ");
  // The scratch folder of a worker has its id.
  const worker = /\/work\/([0-9a-zA-Z-]+)\//.exec(place)?.[1] ?? place;
  return { ns: Number(up) * 1e9 + shiftNs, job, file, word: word as Note["word"], worker };
}

/** The file of datum `index`: inputs are sorted by path, and every round has them all. */
export function fileOf(index: number): string {
  return `${String(index).padStart(5, "0")}.txt`;
}
