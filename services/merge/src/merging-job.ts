import type { Etcd, Keys } from "@sheaf/etcd";
import { type Dispatcher, type Kept, readRecord } from "@sheaf/ledger";
import { api, state } from "@sheaf/proto";
import type { Clock, Logger } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import type { ShardSize } from "./lay-out.ts";

/** The outside world, as the merge of a job gets it. */
export interface MergeDeps {
  readonly store: Store;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly log: Logger;
  readonly shardSize: ShardSize;
  readonly etcd: Pick<Etcd, "get">;
  readonly dispatcher: Pick<Dispatcher, "workers">;
}

export type JobKept = Kept<state.JobRecord>;

/** The job while it is merging; null: it is over, or gone. */
export async function readJob(deps: MergeDeps, key: string): Promise<JobKept | null> {
  const kv = await deps.etcd.get(key);
  const kept = kv && readRecord(state.JobRecordSchema, kv);
  return kept?.record.state === api.JobState.MERGING ? kept : null;
}
