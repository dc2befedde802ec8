/** @sheaf/etcd: the only package that talks to etcd. */

export type { Change, ChangeOp, ChangeOutcome } from "./change.ts";
export type { ConnectOptions } from "./connect.ts";
export { connectEtcd } from "./connect.ts";
export type {
  Compare,
  Etcd,
  EtcdStatus,
  KeyValue,
  Lease,
  LeaseInfo,
  Listed,
  ListOptions,
  Op,
  Page,
  PageOptions,
  Revision,
  Txn,
  TxnOutcome,
  Watch,
  WatchEvent,
  WatchHandler,
} from "./etcd.ts";
export { EtcdModel } from "./etcd-model.ts";
export type { GroupCommitOptions } from "./group-commit.ts";
export { GroupCommit } from "./group-commit.ts";
export type { Keys, LedgerKind, ParsedKey } from "./keys.ts";
export { keysOf } from "./keys.ts";
export type { EtcdTls } from "./members.ts";
export { VALUE_BYTES_MAX } from "./txn.ts";
export { isSupportedVersion } from "./version.ts";
