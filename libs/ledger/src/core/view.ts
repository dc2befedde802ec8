// What the hand-out sees of ledgers, claims and workers: facts, times of the owner's clock in milliseconds, no ways to change them.

import type { Interval } from "./interval-set.ts";
import type { Running } from "./partition.ts";

/** A claim that its worker knows of. */
export interface ClaimView {
  readonly id: string;
  readonly worker: string;
  readonly start: number;
  readonly end: number;
  /** First index that was not started, when the worker last said so. */
  readonly next: number;
  readonly running: readonly Running[];
  /** When the worker last said where it is; at first, when the claim was assigned. */
  readonly saidAt: number;
  readonly assignedAt: number;
  /** Its tail was asked for, and its worker has not said since where it is. */
  readonly asked: boolean;
}

/** A ledger that may have work. */
export interface LedgerView {
  /** Sorts: the oldest job first. */
  readonly order: string;
  readonly n: number;
  readonly doneCount: number;
  readonly free: readonly Interval[];
  readonly freeCount: number;
  /** The parts of `free` that were lost with a worker: they go first. In order. */
  readonly lost: readonly Interval[];
  /** False when its failures say that more work is in vain (L10), or when it is being closed. */
  readonly handsOut: boolean;
  /** Whether stragglers get a backup. */
  readonly speculation: boolean;
  /** Median milliseconds of an index that is done; null: nothing is. */
  readonly medianMs: number | null;
  /** Observed milliseconds of a worker's time per index: that worker's own, else everybody's; null: nothing is known yet. */
  msPerIndex(worker: string): number | null;
  /** The most that a claim may have which begins at `start` and would have `size` indexes. */
  most(start: number, size: number): number;
  /** Indexes that are handed out only to a worker that holds nothing, and nothing beside them (L9). In order. */
  readonly suspects: readonly number[];
  /** Those that may be stolen from or raced, in the order in which they were assigned. */
  readonly claims: readonly ClaimView[];
}

/** A worker with an open session. */
export interface WorkerView {
  readonly id: string;
  /** Commands that it runs at a time. */
  readonly slots: number;
  /** Claims that it would take now. */
  readonly wants: number;
  /** Claims and races that it holds here. */
  readonly holds: number;
  /** It holds a suspect. */
  readonly isAlone: boolean;
}

/** A worker that holds nothing, or wants as much as if it held nothing: what it holds only waits to be committed. */
export function isIdle({ wants, holds, isAlone }: WorkerView): boolean {
  return wants > 0 && !isAlone && (holds === 0 || wants > 1);
}

/** Those that hand out work. */
export function oldestFirst<L extends LedgerView>(ledgers: readonly L[]): L[] {
  return ledgers.filter(({ handsOut }) => handsOut).toSorted((a, b) => (a.order < b.order ? -1 : 1));
}
