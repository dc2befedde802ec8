// Workers that die young, and what that means for the next one (P2 of decide.ts). Pure.

import type { WorkerExit } from "@sheaf/provision";

/** A worker that dies younger than this died young. */
export const YOUNG_MS = 10_000;
const BACKOFF_BASE_MS = 500;
const BACKOFF_MAX_MS = 30_000;
/** From so many young deaths on the pipeline is said to fail. */
const FAILING_AFTER = 3;

/** Young deaths in a row. */
export interface Failures {
  readonly count: number;
  readonly lastMs: number;
  /** What the last one said, for people. */
  readonly why: string;
}

/** What a worker's end means for the next one. */
export function afterExit(before: Failures | null, livedMs: number, why: string, nowMs: number): Failures | null {
  if (livedMs >= YOUNG_MS) return null;
  return { count: (before?.count ?? 0) + 1, lastMs: nowMs, why };
}

/** The first replacement comes at once; so does that of the first young death. */
export function pausedUntil(failures: Failures | null): number | undefined {
  if (failures === null || failures.count < 2) return undefined;
  return failures.lastMs + Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** (failures.count - 2));
}

export function failingOf(failures: Failures | null): string | undefined {
  if (failures === null || failures.count < FAILING_AFTER) return undefined;
  return `its workers end soon after they start, ${failures.count} times in a row; the last one: ${failures.why}`;
}

/** "exit code 2: the port is in use": what the place says of it, or code and the last line that it wrote. */
export function describeExit({ code, signal, logTail, why }: WorkerExit): string {
  if (why !== undefined) return why;
  const how = code === undefined ? `ended by ${signal ?? "an unknown cause"}` : `exit code ${code}`;
  const lines = logTail.split("\n").filter((line) => line.trim() !== "");
  const last = (lines.at(-1) ?? "").replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 300);
  return last === "" ? how : `${how}: ${last}`;
}
