// What the main thread (sessions, beats) and the engine thread (work) say to each other. Closed unions; structured clones.

import type { dispatch, store } from "@sheaf/proto";
import type { ErrorCode } from "@sheaf/runtime";
import type { Assigned, Hold, Interval, Owner, Standing } from "../claims/terms.ts";
import type { WorkerFolders } from "../scratch/worker-folders.ts";

/** What a worker says. */
export type Saying = dispatch.SessionRequest["message"];

/** What the main thread gives to the engine's thread. */
export interface EngineData {
  readonly worker: string;
  readonly store: string;
  readonly folders: WorkerFolders;
  /** Commands run in containers that mount this folder; undefined: here. */
  readonly userVolume: string | undefined;
  readonly slots: number;
  readonly graceMs: number;
}

/** Main thread to engine. */
export type ToEngine =
  /** The first message. It is answered by "started" or "failed". */
  | { readonly t: "open"; readonly data: EngineData }
  | { readonly t: "assign"; readonly claim: Assigned }
  | { readonly t: "release"; readonly owner: Owner; readonly claim: string; readonly from: number }
  | { readonly t: "committed"; readonly claim: string; readonly interval: Interval }
  | {
      readonly t: "refused";
      readonly claim: string;
      readonly interval: Interval;
      readonly code: dispatch.RefusedCode;
      readonly reason: string;
      readonly still: Interval;
    }
  | {
      readonly t: "cancel";
      readonly claim: string;
      readonly index: number | undefined;
      readonly reason: dispatch.CancelReason;
    }
  /** A session stands, the owner's `greeting`th: these of its claims are still ours. */
  | {
      readonly t: "standing";
      readonly owner: Owner;
      readonly greeting: number;
      readonly stand: ReadonlyMap<string, Standing>;
    }
  /** The session stands no longer. */
  | { readonly t: "lost"; readonly owner: Owner }
  | { readonly t: "pace"; readonly cutIntervalMs: number }
  /** The master says whether somebody follows logs: OwnerBeat.follow. Of a new greeting nobody does before it is said. */
  | { readonly t: "follow"; readonly follow: number }
  /** Take nothing new; give back what was not started; finish and commit the rest, then say "drained". */
  | { readonly t: "drain" }
  /** End at once, with all that runs. */
  | { readonly t: "stop" };

/** Engine to main thread. */
export type FromEngine =
  | { readonly t: "started"; readonly isolation: string }
  /** It cannot start, or cannot go on. */
  | { readonly t: "failed"; readonly code: ErrorCode; readonly message: string }
  /** `assigned`: how many assignments this takes into account. */
  | { readonly t: "holds"; readonly holds: readonly Hold[]; readonly capacity: number; readonly assigned: number }
  /** Words for an owner, to be said only while the greeting stands that they take into account. */
  | { readonly t: "say"; readonly owner: Owner; readonly greeting: number; readonly saying: Saying }
  | { readonly t: "drained" };

/** The result of an interval, durable. */
export interface Built {
  readonly result: store.TableRef;
  readonly totals: dispatch.Totals;
}
