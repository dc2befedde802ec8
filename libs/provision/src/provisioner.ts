/**
 * The seam between scaling and the places where workers run. Whoever scales decides how many workers a pool has and which
 * one goes; a driver makes and ends them. Processes of this machine, or pods of Kubernetes (kubernetes/); `provisionerSuite`
 * is what every driver passes.
 *
 * What every driver promises:
 *
 * V1. A worker is named by its id. Creating one whose id lives changes nothing and is no error, whatever the spec says:
 *     whoever lost the answer of a create asks again.
 * V2. Removing one that is gone, or never was, is no error.
 * V3. `list` shows the workers of every process that used this place before: a restarted master finds those of its
 *     predecessor. It shows nothing that is not a worker of this place.
 * V4. The end of a worker is told once to each listener, whether it was asked for or not. Nobody is told the end of a
 *     worker that ended while no driver watched: it is missing from the list.
 * V5. Closing the driver ends no worker.
 */

import type { WorkerNeeds } from "./needs.ts";

/** What a worker is started with. Nothing in it is secret: it may show in a list of processes. */
export interface WorkerSpec {
  /** 32 hex characters, random: never used twice. */
  readonly id: string;
  /** Commands it runs at a time, 1 to 64. */
  readonly slots: number;
  /** Addresses of the masters' dispatch, "host:port". */
  readonly masters: readonly string[];
  /** Addresses of the merge replicas' dispatch. */
  readonly mergers: readonly string[];
  /** URL of the object store, without secrets. */
  readonly store: string;
  /** What its pipeline asks of the place. */
  readonly needs: WorkerNeeds;
}

/** What makes one worker of a pipeline unlike another. */
export type WorkerForm = Pick<WorkerSpec, "slots" | "needs">;

export interface WorkerHandle {
  readonly id: string;
  /** Pipeline whose pool it belongs to. */
  readonly pool: string;
  /**
   * `starting`: the place has it, and does not run it yet. `stopping`: it was asked to go. `unheard`: of the machine that it is on nothing is
   * heard, and so nothing of it: it may live.
   */
  readonly state: "starting" | "running" | "stopping" | "unheard";
  /** When it was created, or, where that takes longer, began to run. Wall clock, milliseconds since 1970. */
  readonly createdAt: number;
  /** What `shapeOf` said when it was made. */
  readonly shape: string;
  /** Why it cannot start, or not go on, and what to do about it: a sentence for people. Undefined: nothing is known to be wrong. */
  readonly trouble: string | undefined;
}

export interface WorkerExit {
  readonly id: string;
  readonly pool: string;
  /** Whether `remove` asked for it. */
  readonly asked: boolean;
  /** Undefined when a signal ended it, or when it was started by a predecessor and nobody can tell. */
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** The last of what it wrote to its log, at most 4 KiB. Untrusted bytes. */
  readonly logTail: string;
  /** What the place says of its end, and what to do about it; undefined: nothing beside its code and log. */
  readonly why: string | undefined;
  /** The place took it away (its node was drained or went, others came first): it is no fault of what it ran. */
  readonly taken: boolean;
}

export interface Provisioner {
  /** The workers that live, by id. */
  list(): Promise<readonly WorkerHandle[]>;
  /**
   * Makes a worker; resolves when it was started, or is the place's to start, which is before it is ready. V1. Throws
   * RESOURCE_EXHAUSTED when the place is full, FAILED_PRECONDITION when its program is missing or the place cannot make it,
   * PERMISSION_DENIED, UNAVAILABLE.
   */
  create(pool: string, spec: WorkerSpec): Promise<void>;
  /** Asks it to go (SIGTERM); ends it after `graceMs`. Resolves when it is gone. V2. */
  remove(id: string, options: { readonly graceMs: number }): Promise<void>;
  /** Machines that can hold workers, now: at least 1. Asked often: it costs nothing. */
  nodes(): number;
  /** Names how a worker of this form is made now. A worker with another shape is not what the pipeline wants any more. */
  shapeOf(form: WorkerForm): string;
  /** Calls `fn` when `nodes`, or the state or trouble of a worker, has changed, until the returned function is called. */
  onChange(fn: () => void): () => void;
  /** Calls `fn` at the end of each worker, until the returned function is called. V4. */
  onExit(fn: (exit: WorkerExit) => void): () => void;
  /** Stops watching. V5. Twice is harmless. */
  close(): Promise<void>;
}
