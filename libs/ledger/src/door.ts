// What masters and merge replicas see of the ledgers: types only. The theory of a ledger heads core/partition.ts, that of an
// owner owner/ownership.ts, that of a session dispatch/pool.ts.

import type { Change, ChangeOutcome, Compare, Revision } from "@sheaf/etcd";
import type { dispatch, store } from "@sheaf/proto";
import type { OpenTries } from "./core/attempts.ts";
import type { Running } from "./core/partition.ts";

/** The three ledgers of a job. */
export type LedgerKind = "plan" | "process" | "merge";

/** Names a ledger. */
export interface LedgerName {
  readonly pipeline: string;
  readonly job: string;
  readonly kind: LedgerKind;
}

/** A done interval: one whole committed result. */
export interface DoneInterval {
  readonly start: number;
  readonly end: number;
  readonly result: store.TableRef;
  readonly attempt: string;
  readonly worker: string;
  readonly fence: bigint;
  readonly totals: dispatch.Totals;
}

/** A claim that stands. */
export interface ClaimView {
  readonly claim: string;
  readonly worker: string;
  readonly start: number;
  readonly end: number;
  /** First index that the worker has not started, by its last beat. */
  readonly next: number;
  /** What runs, by its last beat. */
  readonly running: readonly Running[];
}

/** Where a ledger is. Counts are of indexes (datums, shards). */
export interface LedgerProgress {
  readonly n: number;
  readonly done: number;
  readonly claimed: number;
  /** Finished in workers' hands, not committed yet. */
  readonly finished: number;
  readonly totals: dispatch.Totals;
  readonly claims: readonly ClaimView[];
  /** Tails that were given back for others, since this replica owns it. */
  readonly steals: number;
  /** Observed milliseconds of one slot per index, over all workers; null: nothing is known yet. */
  readonly msPerIndex: number | null;
  /** Indexes that were tried and are not done: user failures and lost workers, apart (L9). */
  readonly tries: ReadonlyMap<number, OpenTries>;
}

/** How a ledger ended. */
export type LedgerEnd =
  | { readonly kind: "complete"; readonly done: readonly DoneInterval[] } // tiles [0, n): checked as a set (L5)
  | { readonly kind: "gave-up"; readonly done: readonly DoneInterval[] } // too many failed: hand-out stopped (L10), nothing is in flight
  | { readonly kind: "inconsistent"; readonly message: string } // names the key that contradicts (L5)
  | { readonly kind: "closed" }; // by closeLedger, or the owner was lost

/** An open ledger of an owned pipeline. */
export interface Ledger {
  readonly name: LedgerName;
  progress(): LedgerProgress;
  /** Resolves once. */
  readonly end: Promise<LedgerEnd>;
  /** Calls back after each change of progress, at most once a tick. */
  onProgress(callback: () => void): void;
}

export interface NewLedgerMeta {
  /** The meta key is written only while this holds as well; else `openLedger` throws UNAVAILABLE, JOB_CHANGED: look again. */
  readonly only?: Compare;
  readonly n: number;
  readonly input: store.ObjectRef;
  readonly order: string;
  readonly giveUpAfterFailed?: number;
  readonly speculation?: boolean;
}

/** New lines of a datum that runs. */
export interface LiveLines {
  readonly job: string;
  readonly worker: string;
  readonly live: dispatch.LiveLog;
}

/** Must not throw, nor wait. Of every log that it hears of, it hears from the begin, and perhaps more than once. */
export type Follower = (lines: LiveLines) => void;

/** A pipeline that this replica owns: it alone writes its ledgers (L1). */
export interface Ownership {
  readonly pipeline: string;
  /** The epoch compare: first in every transaction that the owner writes outside `submit`. */
  guard(): Compare[];
  /** The epoch now (L1, L2). */
  epoch(): Revision;
  /** Writes under the guard, through the one group commit of the pipeline (L1, L8). */
  submit(change: Change): Promise<ChangeOutcome>;
  /**
   * Opens a ledger: reads what stands in etcd, or writes its meta key when there is none, and begins to hand it out. Oldest
   * job first: `order` sorts (the job id does). `speculation` (default: no): stragglers get a backup.
   */
  openLedger(name: LedgerName, meta: NewLedgerMeta): Promise<Ledger>;
  /** Stops a ledger: claims are freed, their workers told to cancel, nothing more is handed out. Keys stay. */
  closeLedger(name: LedgerName, reason: "stopped" | "done"): Promise<void>;
  /** Has whoever runs this index begin it again; no try is spent. False: it does not run, by the last beats, or its worker is away. */
  restart(name: LedgerName, index: number): boolean;
  /** Stragglers that have no backup and would get one (L7), were there an idle worker. */
  stragglers(): number;
  /** Has the workers send what their datums write, until the function that is returned is called. Costs nothing while nobody does. */
  follow(follower: Follower): () => void;
  /** What a ledger that stands in etcd was opened with; null: there is none. */
  ledgerMeta(name: LedgerName): Promise<{ readonly n: number; readonly input: store.ObjectRef } | null>;
  /** Begins to accept workers. Call it once, when every live ledger is open: what a worker shows then can be adopted. */
  serve(): void;
  /** Deletes the keys of a job's ledgers: meta first (L8), then the rest. Call it when they are archived. */
  deleteLedgers(job: string): Promise<void>;
  /** Resolves when the pipeline is not owned any more: drop all memory of it. */
  readonly lost: Promise<void>;
  /** Resolves when another replica shall have it: end what runs in order, then `release` it. */
  readonly recalled: Promise<void>;
}

/** A worker that has a session here. */
export interface ConnectedWorker {
  readonly worker: string;
  readonly pool: string;
  readonly slots: number;
  readonly version: string;
  readonly claims: number;
  /** Claims that it holds at the other owner (merge work). */
  readonly claimsElsewhere: number;
  /** Claims and races that it was given here so far: two equal numbers with no claims between them mean that it was idle. */
  readonly given: number;
  /** It was told to go. */
  readonly draining: boolean;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** A replica that lives, and where it is reached. */
export interface Replica {
  readonly id: string;
  readonly dispatchAddress: string;
  /** Empty for merge replicas. */
  readonly apiAddress: string;
}

/** A worker's stream, as the RPC layer gives it. */
export interface SessionStream {
  readonly requests: AsyncIterable<dispatch.SessionRequest>;
  /** Resolves when the transport took it; rejects when the stream is gone. */
  send(message: dispatch.SessionResponse): Promise<void>;
  /** Ends the stream; harmless when it is over. */
  close(): void;
}

/** The part of a replica that owns pipelines and talks to workers. */
export interface Dispatcher {
  /** Handles one stream of DispatchService.Session; resolves when it is over. */
  session(stream: SessionStream): Promise<void>;
  /** Lists this replica: from now on it has a share of the pipelines. Its servers listen. */
  start(): Promise<void>;
  /** Waits until a pipeline falls to this replica, and owns it; or until `signal` aborts. */
  own(pipeline: string, signal: AbortSignal): Promise<Ownership>;
  /** Gives a pipeline up: seals nothing, closes its sessions, deletes the owner key. */
  release(pipeline: string): Promise<void>;
  /** Tells a worker to finish or give back what it holds, and to leave. */
  drainWorker(pool: string, worker: string): void;
  /**
   * A worker's process has ended, and nobody asked it to: what it holds is free at once. `isLoss`: it was lost with it (L9); else the place
   * took the worker away, as with an eviction, and what it ran is not to blame.
   */
  workerExited(pool: string, worker: string, how: { readonly isLoss: boolean }): void;
  workers(pool?: string): ConnectedWorker[];
  /** Calls back when a worker comes or goes. */
  onWorkers(callback: () => void): void;
  /** The replica that owns a pipeline; undefined: none that lives, as far as is known here. */
  owner(pipeline: string): Replica | undefined;
  /** Id of this replica. */
  readonly replica: string;
  /** Calls back when a pipeline has changed hands, or a replica comes or goes; until what it returns is called. */
  onOwners(callback: () => void): () => void;
  /** Takes this replica off the list: it gets no pipeline more, and what it releases goes to others at once. */
  withdraw(): Promise<void>;
  /** Hands everything over at once: owner keys are deleted, sessions closed. */
  stop(): Promise<void>;
}
