// Which lines of a job's logs are asked for. Pure.

import type { api, store } from "@sheaf/proto";

/** Indexes [from, to) of a job. */
export interface DatumRange {
  readonly from: number;
  readonly to: number;
}

/** A line with whose it is. */
export interface DatumLine {
  readonly datum: number;
  readonly worker: string;
  readonly line: store.LogLine;
}

export interface LogFilter {
  readonly range: DatumRange;
  /** The begin of its id; empty: all. */
  readonly worker: string;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
  /** Unspecified: both. */
  readonly stream: api.LogStream;
  /** 0: all. */
  readonly attempt: number;
}

export function isOfWorker({ worker }: LogFilter, id: string): boolean {
  return id.startsWith(worker);
}

export function isInRange({ range }: LogFilter, index: number): boolean {
  return index >= range.from && index < range.to;
}

export function isLineWanted({ sinceMs, stream, attempt }: LogFilter, line: store.LogLine): boolean {
  if (stream !== 0 && line.stream !== stream) return false;
  if (attempt !== 0 && line.attempt !== attempt) return false;
  return sinceMs === 0 || timeOf(line) >= sinceMs;
}

/** Milliseconds since 1970. */
function timeOf({ time }: store.LogLine): number {
  return time === undefined ? 0 : Number(time.seconds) * 1_000 + time.nanos / 1_000_000;
}
