/**
 * The merge of one job, from MERGING to its end:
 *
 *     MERGING --cut--> ledger of S shards --workers--> complete --collect--> published | failed
 *
 * All that it decides by stands in etcd and in the store: the job record (its modification revision is the job fence), the
 * ledger and its input. So a replica that starts in the middle goes on where the other stopped, and cuts nothing anew.
 */

import type { Etcd, Keys } from "@sheaf/etcd";
import type { Dispatcher, Ledger, LedgerName, Ownership } from "@sheaf/ledger";
import { type Kept, readRecord } from "@sheaf/ledger";
import { api, state } from "@sheaf/proto";
import type { Clock, Logger } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import { collect } from "./collect.ts";
import { layOut, type ShardSize } from "./lay-out.ts";
import { endJob, type JobEnding, publish } from "./publish.ts";

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

/** Opens the merge ledger of a job: as it was cut, or cut now. */
export async function openMerge(
  deps: MergeDeps,
  owner: Ownership,
  job: string,
  record: state.JobRecord,
): Promise<Ledger> {
  const name: LedgerName = { pipeline: owner.pipeline, job, kind: "merge" };
  const stands = await owner.ledgerMeta(name);
  const meta =
    stands ?? (await layOut(deps.store, record, deps.dispatcher.workers(owner.pipeline).length, deps.shardSize));
  return owner.openLedger(name, { ...meta, order: job });
}

/** Waits for the ledger's end, and ends the job by it. Resolves when the job is over, for whatever reason. */
export async function finishMerge(deps: MergeDeps, owner: Ownership, ledger: Ledger, job: string): Promise<void> {
  const end = await ledger.end;
  if (end.kind === "closed") return;
  const key = deps.keys.job(owner.pipeline, job);
  const kept = await readJob(deps, key);
  if (kept === null) return;
  const ending = await decideEnding(deps, end);
  const outcome =
    ending.kind === "publish" ? await publish(deps, owner, kept, job, ending) : await endJob(deps, owner, kept, ending);
  deps.log.info({ job, pipeline: owner.pipeline, ending: ending.kind, outcome }, "merge is over");
  await owner.closeLedger(ledger.name, "done");
}

async function decideEnding(deps: MergeDeps, end: Awaited<Ledger["end"]>): Promise<JobEnding> {
  switch (end.kind) {
    case "complete":
      return collect(deps.store, end.done);
    case "inconsistent":
      return { kind: "inconsistent", reason: "LEDGER_INCONSISTENT", message: end.message };
    default:
      return { kind: "failed", reason: "MERGE_FAILED", message: "the merge gave up" };
  }
}

/** The job while it is merging; null: it is over, or gone. */
export async function readJob(deps: MergeDeps, key: string): Promise<JobKept | null> {
  const kv = await deps.etcd.get(key);
  const kept = kv && readRecord(state.JobRecordSchema, kv);
  return kept?.record.state === api.JobState.MERGING ? kept : null;
}
