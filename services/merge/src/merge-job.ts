/**
 * The merge of one job, from MERGING to its end:
 *
 *     MERGING --cut--> ledger of S shards --workers--> complete --collect--> published | failed
 *
 * All that it decides by stands in etcd and in the store: the job record (its modification revision is the job fence), the
 * ledger and its input. So a replica that starts in the middle goes on where the other stopped, and cuts nothing anew.
 */

import { getMessage } from "@sheaf/files";
import type { Ledger, LedgerName, Ownership } from "@sheaf/ledger";
import { store } from "@sheaf/proto";
import { collect } from "./collect.ts";
import { layOut } from "./lay-out.ts";
import { type MergeDeps, readJob } from "./merging-job.ts";
import { endJob, type JobEnding, publish } from "./publish.ts";

/**
 * Opens the merge ledger of a job: as it was cut, or cut now, under the job's fence: a job that is stopped meanwhile has its
 * ledgers deleted, and none may come after. Null: the job is over, or gone.
 */
export async function openMerge(deps: MergeDeps, owner: Ownership, job: string): Promise<Ledger | null> {
  const kept = await readJob(deps, deps.keys.job(owner.pipeline, job));
  if (kept === null) return null;
  const { key, record, modRevision } = kept;
  const name: LedgerName = { pipeline: owner.pipeline, job, kind: "merge" };
  const stands = await owner.ledgerMeta(name);
  // Those that may come for it count as well: a pipeline that scales may have few at the end of its datums.
  const workers = Math.max(record.workersMax, deps.dispatcher.workers(owner.pipeline).length);
  const meta = stands ?? (await layOut(deps.store, record, workers, deps.shardSize));
  const { spec } = await getMessage(deps.store, store.WorkInputSchema, meta.input);
  const only = { key, target: "mod", is: modRevision } as const;
  return owner.openLedger(name, { ...meta, only, order: job, speculation: spec?.speculation ?? true });
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
