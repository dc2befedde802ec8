// What a ledger is made of, what is asked of it, and what becomes of it: closed unions, so that every caller sees every case.

import type { Revision } from "@sheaf/etcd";
import type { dispatch, store } from "@sheaf/proto";
import type { Claim, CommitVerdict } from "../core/partition.ts";
import type { LedgerName } from "../door.ts";

/** What a ledger is, apart from its claims and done intervals. */
export interface LedgerMeta {
  readonly name: LedgerName;
  readonly order: string;
  readonly n: number;
  readonly input: store.ObjectRef;
  /** Modification revision of the meta key. */
  readonly metaRevision: Revision;
  readonly giveUpAfterFailed: number;
  readonly speculation: boolean;
}

export type ClaimOutcome =
  | { readonly kind: "claimed"; readonly claim: Claim; readonly fence: bigint }
  | { readonly kind: "session-gone" } // the lease of the session is gone
  | { readonly kind: "not-claimed" } // the interval is free again
  | { readonly kind: "lost" }; // the owner is not the owner any more

export type CommitOutcome =
  | { readonly kind: "committed" }
  | { readonly kind: "try-again"; readonly reason: string }
  | Exclude<CommitVerdict, { kind: "ok" }>;

/** A result that a worker wants committed. */
export interface CommitRequest {
  readonly claim: string;
  readonly fence: bigint;
  readonly from: number;
  readonly to: number;
  readonly attempt: string;
  /** Who made it: with a backup, not the claim's own worker. */
  readonly worker: string;
  readonly result: store.TableRef;
  readonly totals: dispatch.Totals;
}
