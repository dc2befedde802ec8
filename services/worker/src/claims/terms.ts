// The words in which claims are spoken of.

import type { store } from "@sheaf/proto";

/** Which session a claim came by. */
export type Owner = "master" | "merge";

export type Kind = "plan" | "process" | "merge";

/** A claim as it was assigned. */
export interface Assigned {
  readonly owner: Owner;
  readonly id: string;
  readonly fence: bigint;
  readonly job: string;
  readonly kind: Kind;
  readonly from: number;
  readonly to: number;
  readonly input: store.ObjectRef;
  /** What is known of indexes that were tried before. */
  readonly prior: ReadonlyMap<number, Prior>;
  /** It is a backup of one index of another worker's claim, whose id and fence it has (L7). */
  readonly isRace: boolean;
}

/** What earlier workers told of an index, or what became of them (L9). */
export interface Prior {
  /** Tries that the user's command failed. */
  readonly tries: number;
  /** Distinct workers that were lost with it alone in their claim. */
  readonly losses: number;
  /** It is not to be run again. */
  readonly isQuarantined: boolean;
}

/** An interval [from, to) that is, or shall be, one run. */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

/** A claim that is held, as its owner shall see it. */
export interface Hold extends Interval {
  readonly owner: Owner;
  readonly claim: string;
  readonly fence: bigint;
  readonly job: string;
  readonly kind: Kind;
  /** First index that was not started. */
  readonly next: number;
  /** Indexes finished here, committed or not. */
  readonly finished: number;
  readonly isRace: boolean;
  readonly running: readonly Running[];
}

/** An index in work. */
export interface Running {
  readonly index: number;
  /** Milliseconds since its try began. */
  readonly ms: number;
  /** How far its command says that it is; empty: it says nothing. */
  readonly progress: string;
}

/** What an owner says of a claim after a new greeting: it stands, perhaps under another fence. */
export interface Standing extends Interval {
  readonly fence: bigint;
}

/** A cut: not committed yet. */
export interface Cut extends Interval {
  readonly attempt: string;
  /** How often a run was built of it, after its result was called bad. */
  readonly builds: number;
}

/** When to cut. */
export interface Pace {
  /** Milliseconds of work. */
  readonly cutIntervalMs: number;
  /** Bytes of output. */
  readonly cutBytes: number;
}
