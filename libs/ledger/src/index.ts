// The door of the ledger: what a replica needs to own pipelines and to hand out, lose and finish their work.

export { openClusterStore } from "./cluster-store.ts";
export { createDispatcher, type DispatcherOptions } from "./dispatch/dispatcher.ts";
export { dispatchHandlers } from "./dispatch/handlers.ts";
export type { VerifyResult } from "./dispatch/take-commit.ts";
export { DEFAULT_TIMING, type Timing } from "./dispatch/timing.ts";
export { resultVerifier } from "./dispatch/verify-result.ts";
export type {
  ClaimView,
  ConnectedWorker,
  Dispatcher,
  DoneInterval,
  Follower,
  Ledger,
  LedgerEnd,
  LedgerKind,
  LedgerName,
  LedgerProgress,
  LiveLines,
  NewLedgerMeta,
  Ownership,
  Replica,
  SessionStream,
} from "./door.ts";
export { decodeDone, sumTotals } from "./ledger-records.ts";
export { rightfulOwner } from "./owner/placement.ts";
export {
  absent,
  type Kept,
  nowStamp,
  put,
  RECORD_BYTES_MAX,
  RECORD_VERSION,
  readRecord,
  readRecordOrNull,
  same,
  unchanged,
  writeRecord,
} from "./record.ts";
