// What a run leaves behind: files of JSON lines, each line with the monotonic time at which it was written. The checker reads
// nothing else.
//
//   run.json        what was run: seed, shape of the cluster, pipelines
//   history.jsonl   every call of the API that means something, rounds, states of jobs, results
//   nemesis.jsonl   every fault, its beginning and its end
//   etcd.jsonl      every change of every key, by a watcher that no fault touches
//   notes/          what the user's commands say of themselves: one line at the beginning and the end of each execution
//   end.json        what was left when all jobs were done, and when all services had stopped

import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Nanoseconds of the machine's monotonic clock, as a number: exact to a microsecond for a century. */
export function monotonicNs(): number {
  return Number(process.hrtime.bigint());
}

export class Journal {
  readonly #fd: number;

  constructor(folder: string, name: string) {
    this.#fd = openSync(join(folder, `${name}.jsonl`), "a");
  }

  /** Written at once: a run that is killed keeps what it saw. */
  write(entry: object): void {
    writeSync(this.#fd, `${JSON.stringify({ ns: monotonicNs(), ...entry })}\n`);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

export function writeJson(folder: string, name: string, value: object): void {
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(value, null, 1)}\n`);
}

/** The whole lines of a journal: the last one may have been cut by a kill. */
export function readJournal<T>(folder: string, name: string): T[] {
  const lines = readFileSync(join(folder, `${name}.jsonl`), "utf8").split("\n");
  lines.pop();
  return lines.map((line) => JSON.parse(line) as T);
}

export function readJson<T>(folder: string, name: string): T {
  return JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as T;
}
