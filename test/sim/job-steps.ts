/** One step of a job, as the master (decide.ts of services/master, from PROCESSING on) and the merge replica (publish.ts) take it. */
import { create } from "@bufbuild/protobuf";
import type { ChangeOp, Compare } from "@sheaf/etcd";
import { absent, put, RECORD_VERSION, readRecordOrNull, sumTotals, unchanged } from "@sheaf/ledger";
import { type api, state } from "@sheaf/proto";
import { isTerminal, type JobKept, type JobPlan, JobState, moved, PIPELINE, stateName } from "./jobs.ts";
import type { Step, Term } from "./sim-owner.ts";

export async function masterStep(term: Term, plan: JobPlan, kept: JobKept, before: api.JobState | null): Promise<Step> {
  if (isTerminal(kept.record.state)) return clean(term, plan);
  if (kept.record.state !== JobState.PROCESSING) return "wait"; // from MERGING on the merge replica decides
  const open = term.ledgers.get(plan.id);
  if (open === undefined) return openNow(term, plan);
  switch (open.end?.kind) {
    case undefined:
      return "wait";
    case "closed":
      return "rest"; // the pipeline is not ours any more
    case "inconsistent":
      return write(term, kept, moved(kept, JobState.INCONSISTENT, open.end.message));
    case "gave-up":
      return write(term, kept, moved(kept, JobState.FAILED));
    case "complete": {
      const totals = sumTotals(open.end.done.map((done) => done.totals));
      if (totals.failed > 0n) return write(term, kept, moved(kept, JobState.FAILED));
      // Jobs publish in order.
      if (before !== null && !isTerminal(before)) return "wait";
      return startMerging(term, kept);
    }
  }
}

export async function mergeStep(term: Term, plan: JobPlan, kept: JobKept): Promise<Step> {
  const open = term.ledgers.get(plan.id);
  if (isTerminal(kept.record.state)) {
    if (open?.end === null) await term.owner.closeLedger(open.ledger.name, "stopped");
    return "rest";
  }
  if (kept.record.state !== JobState.MERGING) return "wait";
  if (open === undefined) return openNow(term, plan, { key: kept.key, target: "mod", is: kept.modRevision });
  switch (open.end?.kind) {
    case undefined:
      return "wait";
    case "closed":
      return "rest";
    case "inconsistent":
      return write(term, kept, moved(kept, JobState.INCONSISTENT, open.end.message));
    case "gave-up":
      return write(term, kept, moved(kept, JobState.FAILED));
    case "complete":
      return publish(term, plan, kept);
  }
}

/** `only`: the fence of the job, where its ledgers may be deleted meanwhile. */
async function openNow(term: Term, plan: JobPlan, only?: Compare): Promise<Step> {
  await term.open(plan, only);
  return "again";
}

/** The job is over: its ledgers are closed, then deleted. */
async function clean({ owner, ledgers }: Term, plan: JobPlan): Promise<Step> {
  const open = ledgers.get(plan.id);
  if (open?.end === null) {
    await owner.closeLedger(open.ledger.name, "stopped");
    await open.ledger.end;
  }
  await owner.deleteLedgers(plan.id);
  return "rest";
}

/** Fixes the parent, in the transaction that says MERGING. */
async function startMerging(term: Term, kept: JobKept): Promise<Step> {
  const { etcd, sim } = term;
  const key = sim.keys.head(PIPELINE, "master");
  const head = readRecordOrNull(state.HeadRecordSchema, await etcd.get(key));
  const record = moved(kept, JobState.MERGING);
  record.parentCommit = head?.record.commit ?? "";
  return write(term, kept, record, [head === null ? absent(key) : unchanged(head)]);
}

/** Epoch, job fence and parent head compared; commit, head and job put. */
async function publish(term: Term, plan: JobPlan, kept: JobKept): Promise<Step> {
  const { etcd, sim } = term;
  const key = sim.keys.head(PIPELINE, "master");
  const head = readRecordOrNull(state.HeadRecordSchema, await etcd.get(key));
  if ((head?.record.commit ?? "") !== kept.record.parentCommit)
    return write(term, kept, moved(kept, JobState.FAILED, "HEAD_MOVED"));
  const commit = create(state.CommitRecordSchema, {
    version: RECORD_VERSION,
    job: plan.id,
    parent: kept.record.parentCommit,
  });
  const newHead = create(state.HeadRecordSchema, { version: RECORD_VERSION, commit: plan.id });
  const more = [
    put(sim.keys.commit(PIPELINE, plan.id), state.CommitRecordSchema, commit),
    put(key, state.HeadRecordSchema, newHead),
  ];
  return write(term, kept, moved(kept, JobState.SUCCEEDED), [head === null ? absent(key) : unchanged(head)], more);
}

/** Whatever becomes of it, the record is read again: it says. */
async function write(
  { owner }: Term,
  kept: JobKept,
  record: state.JobRecord,
  compare: readonly Compare[] = [],
  ops: readonly ChangeOp[] = [],
): Promise<Step> {
  await owner.submit({
    name: `${kept.key} to ${stateName(record.state)}`,
    compare: [unchanged(kept), ...compare],
    ops: [put(kept.key, state.JobRecordSchema, record), ...ops],
  });
  return "again";
}
