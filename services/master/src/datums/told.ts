/**
 * What a follower of logs was told: datums that are done, wholly, and of those that run how far. It is all that a call needs to go on where
 * an earlier one broke off, at this master or another, and travels as a token: intervals that grow together, and a place for each datum that
 * runs.
 */
import { isId } from "@sheaf/runtime";
import type { DatumRange } from "./log-filter.ts";

/** A token is ours; a longer one is not read at all. */
const TOKEN_CHARS_MAX = 2 * 1024 * 1024;

/** Of one execution of a datum: which log of which worker. */
export interface LogName {
  readonly index: number;
  readonly worker: string;
  readonly log: bigint;
}

export class Told {
  readonly job: string;
  /** Ascending, apart. */
  #done: DatumRange[] = [];
  /** By datum, then by worker and log: LogLine.end of the last line that was told. */
  readonly #ends = new Map<number, Map<string, bigint>>();

  constructor(job: string) {
    this.job = job;
  }

  isDone(index: number): boolean {
    return this.#done.some(({ from, to }) => from <= index && index < to);
  }

  /** Whether all of [from, to) is done. */
  areDone({ from, to }: DatumRange): boolean {
    return this.#done.some((each) => each.from <= from && to <= each.to);
  }

  /** How far the log was told; undefined: not at all. */
  endOf({ index, worker, log }: LogName): bigint | undefined {
    return this.#ends.get(index)?.get(`${worker} ${log}`);
  }

  toldUpTo({ index, worker, log }: LogName, end: bigint): void {
    const ends = this.#ends.get(index) ?? new Map<string, bigint>();
    this.#ends.set(index, ends.set(`${worker} ${log}`, end));
  }

  done({ from, to }: DatumRange): void {
    if (to - from === 1) this.#ends.delete(from);
    else for (const index of [...this.#ends.keys()]) if (from <= index && index < to) this.#ends.delete(index);
    const touching = this.#done.filter((each) => each.from <= to && from <= each.to);
    const whole = {
      from: Math.min(from, ...touching.map((each) => each.from)),
      to: Math.max(to, ...touching.map((each) => each.to)),
    };
    const before = this.#done.filter((each) => each.to < whole.from);
    const after = this.#done.filter((each) => each.from > whole.to);
    this.#done = [...before, whole, ...after];
  }

  token(): string {
    const done = this.#done.map(({ from, to }) => [from, to]);
    const ends = [...this.#ends].flatMap(([index, logs]) => [...logs].map(([name, end]) => [index, name, String(end)]));
    return Buffer.from(JSON.stringify([this.job, done, ends])).toString("base64url");
  }

  /** Undefined: it is no token. */
  static of(token: string): Told | undefined {
    if (token.length > TOKEN_CHARS_MAX) return undefined;
    try {
      const [job, done, ends] = JSON.parse(Buffer.from(token, "base64url").toString());
      if (!isId(job)) return undefined;
      const told = new Told(job);
      for (const [from, to] of done) {
        if (!isIndex(from) || !isIndex(to) || from >= to) return undefined;
        told.done({ from, to });
      }
      for (const [index, name, end] of ends) {
        const named = /^(\S{1,64}) (\d{1,19})$/.exec(name);
        if (!isIndex(index) || named === null || !/^\d{1,19}$/.test(end)) return undefined;
        told.toldUpTo({ index, worker: named[1] as string, log: BigInt(named[2] as string) }, BigInt(end));
      }
      return told;
    } catch {
      return undefined; // not even JSON, or of another shape
    }
  }
}

function isIndex(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
