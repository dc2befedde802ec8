import type { LedgerProgress } from "@sheaf/ledger";
import type { MergeProgress } from "./merge-watch.ts";

/** What the owner knows of a job beyond its record. */
export interface LiveJob {
  /** For people; empty when it does not wait. */
  readonly waitingFor: string;
  readonly process: LedgerProgress | undefined;
  readonly merge: MergeProgress | undefined;
  /** Milliseconds since 1970. */
  readonly handedOutMs: number | undefined;
}
