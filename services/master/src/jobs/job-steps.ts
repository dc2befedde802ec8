// The steps of one job, as `decide` names them: each does its work, and ends in one write of the record or in an open ledger.
// Every step may be taken again after a crash in its middle: objects are named by their content, ledgers are opened as they
// stand, and the record is written last, under its fence.

import type { LedgerName, LedgerProgress, NewLedgerMeta, Ownership } from "@sheaf/ledger";
import { absent, readRecordOrNull, sumTotals, unchanged } from "@sheaf/ledger";
import { api, state, type store } from "@sheaf/proto";
import { dataLoss } from "@sheaf/runtime";
import type { World } from "../context.ts";
import { describeFailure } from "../datums/describe-failure.ts";
import type { Jobs, KeptJob } from "../mirror/jobs.ts";
import { putArchive } from "./archive.ts";
import type { JobStep, LedgerView } from "./decide.ts";
import { chooseEarlier, olderJobs, withEarlier } from "./earlier.ts";
import { failuresAllowed, givesUpAfter, missing } from "./failure-policy.ts";
import * as change from "./job-record.ts";
import type { JobWriter } from "./job-writer.ts";
import { OpenLedger, viewOf } from "./open-ledger.ts";
import { readPlan } from "./plan-manifest.ts";
import { putRunList } from "./run-list.ts";
import { isTerminal } from "./states.ts";
import { putProcessInput, readPlanInput } from "./work-input.ts";

export interface JobStepsDeps {
  readonly world: World;
  readonly jobs: Jobs;
  readonly ownership: Ownership;
  readonly writer: JobWriter;
  /** The most workers that a spec allows, on this cluster as it is now. */
  readonly limit: (spec: api.ParallelismSpec | undefined) => number;
  /** A ledger has ended, or its first datum was handed out. */
  readonly wake: () => void;
  /** Its progress has changed. */
  readonly changed: () => void;
}

/** Steps that do something. */
export type Act = Exclude<JobStep, { kind: "wait" | "rest" }>;

export class JobSteps {
  readonly #deps: JobStepsDeps;
  readonly #id: string;
  #plan: OpenLedger | undefined;
  #process: OpenLedger | undefined;
  /** The pinned spec and inputs, once they are read. */
  #input: store.WorkInput | undefined;
  #handedOutMs: number | undefined;
  /** Its ledgers still stand in etcd, or may. */
  #keysLeft = true;

  constructor(deps: JobStepsDeps, id: string) {
    this.#deps = deps;
    this.#id = id;
  }

  get plan(): LedgerView {
    return viewOf(this.#plan);
  }

  get process(): LedgerView {
    return viewOf(this.#process);
  }

  get progress(): LedgerProgress | undefined {
    return this.#process?.ledger.progress();
  }

  /** When its first datum was handed out, as far as it was seen here. */
  get handedOutMs(): number | undefined {
    return this.#handedOutMs;
  }

  get keysLeft(): boolean {
    return this.#keysLeft;
  }

  /** The spec that the job runs; undefined for a job that is over, whose spec nobody needs. */
  async spec(record: state.JobRecord): Promise<api.PipelineSpec | undefined> {
    if (isTerminal(record.state)) return undefined;
    this.#input ??= await readPlanInput(this.#deps.world.store, record);
    return this.#input.spec;
  }

  take(step: Act, kept: KeptJob): Promise<void> {
    switch (step.kind) {
      case "start-planning":
        return this.#startPlanning(kept);
      case "open-plan":
        return this.#openPlan(kept);
      case "process":
        return this.#startProcessing(kept);
      case "open-process":
        return this.#openProcess(kept.record);
      case "note-start":
        return this.#deps.writer.write(kept, change.withStart(kept.record, step.startedMs));
      case "merge":
        return this.#startMerging(kept);
      case "fail-datums":
        return this.#failDatums(kept, step);
      case "end":
        return this.end(kept, step);
      case "close":
        return this.#close();
      case "archive":
        return this.#archive(kept);
    }
  }

  end(kept: KeptJob, ended: change.Ended): Promise<void> {
    const totals = this.progress === undefined ? undefined : sumTotals([this.progress.totals]);
    const record = change.withStart(kept.record, this.#handedOutMs);
    return this.#deps.writer.write(kept, change.toEnd(record, ended, this.#nowMs(), totals));
  }

  /** One transaction fixes what is taken over from earlier jobs: their records stand as they were when they were chosen. */
  async #startPlanning(kept: KeptJob): Promise<void> {
    const { world, jobs, ownership, writer } = this.#deps;
    const planned = await readPlanInput(world.store, kept.record);
    const everyJob = planned.spec?.reprocessSpec === "every_job";
    const chosen = everyJob ? [] : chooseEarlier(olderJobs(jobs, ownership.pipeline, this.#id));
    const { ref: input, from } = await withEarlier(world, planned, chosen);
    const record = change.toPlanning(kept.record, { input, earlier: from.map(({ id }) => id) });
    const unmoved = from.map((older) => unchanged(older.kept));
    await writer.write(kept, record, unmoved);
    this.#input = undefined;
  }

  async #openPlan({ record }: KeptJob): Promise<void> {
    this.#plan = await this.#open("plan", { n: 1, input: reference(record.input, "pinned input") });
  }

  async #startProcessing(kept: KeptJob): Promise<void> {
    const plan = await readPlan(this.#deps.world.store, this.#id, this.#plan?.done ?? []);
    if (plan.kind === "broken") {
      return this.end(kept, { state: api.JobState.INCONSISTENT, reason: "PLAN_BROKEN", message: plan.message });
    }
    const processing = change.toProcessing(kept.record, plan.ref, plan.manifest.datums);
    const opening = plan.manifest.datums > 0n ? this.#openProcess(processing) : undefined;
    await Promise.all([this.#deps.writer.write(kept, processing), opening]);
  }

  async #openProcess(record: state.JobRecord): Promise<void> {
    const { store } = this.#deps.world;
    this.#input ??= await readPlanInput(store, record);
    const input = await putProcessInput(store, this.#input, reference(record.plan, "plan"));
    const speculation = this.#input.spec?.speculation ?? true;
    const n = Number(record.datums);
    const mayFail = failuresAllowed(this.#input.spec?.failurePolicy, n);
    const meta = { n, input, speculation, giveUpAfterFailed: givesUpAfter(mayFail) };
    this.#process = await this.#open("process", meta);
    this.#process.ledger.onProgress(() => this.#progressed());
    this.#progressed();
  }

  async #open(kind: "plan" | "process", meta: Omit<NewLedgerMeta, "order">): Promise<OpenLedger> {
    const { ownership, changed, wake } = this.#deps;
    const name: LedgerName = { pipeline: ownership.pipeline, job: this.#id, kind };
    const ledger = await ownership.openLedger(name, { ...meta, order: this.#id });
    return new OpenLedger(ledger, () => {
      changed();
      wake();
    });
  }

  #progressed(): void {
    const { progress } = this;
    if (this.#handedOutMs === undefined && progress !== undefined && progress.claimed + progress.done > 0) {
      this.#handedOutMs = this.#nowMs();
      this.#deps.wake(); // its start is to be noted
    }
    this.#deps.changed();
  }

  /** One transaction fixes what the merge reads: the run list, and the head that the new commit is put upon. */
  async #startMerging(kept: KeptJob): Promise<void> {
    const { etcd, keys, store } = this.#deps.world;
    const spec = await this.spec(kept.record);
    const done = this.#process?.done ?? [];
    const headKey = keys.head(this.#deps.ownership.pipeline, kept.record.outputBranch);
    const [runs, headKv] = await Promise.all([putRunList(store, done), etcd.get(headKey)]);
    const head = readRecordOrNull(state.HeadRecordSchema, headKv);
    const totals = sumTotals(done.map((each) => each.totals));
    const fixed = {
      runs,
      parentCommit: head?.record.commit ?? "",
      totals,
      workersMax: this.#deps.limit(spec?.parallelismSpec),
      ...missing(this.#deps.ownership.pipeline, this.#id, totals, kept.record.datums),
    };
    const record = change.toMerging(change.withStart(kept.record, this.#handedOutMs), fixed);
    await this.#deps.writer.write(kept, record, [head === null ? absent(headKey) : unchanged(head)]);
  }

  async #failDatums(kept: KeptJob, { totals, mayFail }: Extract<JobStep, { kind: "fail-datums" }>): Promise<void> {
    const job = { pipeline: this.#deps.ownership.pipeline, job: this.#id, mayFail };
    await this.end(kept, await describeFailure(this.#deps.world.store, job, totals, this.#process?.done ?? []));
  }

  /** The job is over and its workers are still at it. */
  async #close(): Promise<void> {
    for (const open of [this.#plan, this.#process]) {
      if (open === undefined || open.end !== undefined) continue;
      await this.#deps.ownership.closeLedger(open.ledger.name, "stopped");
      await open.ledger.end;
    }
  }

  /** The archive first, then its reference, then the ledgers go: after a crash each is done again where it was left. */
  async #archive(kept: KeptJob): Promise<void> {
    const { world, ownership, writer } = this.#deps;
    if (kept.record.archive === undefined) {
      const { ref, archive } = await putArchive(world, this.#id);
      const totals = sumTotals(archive.process.map((each) => each.done?.totals));
      return writer.write(kept, change.toArchived(kept.record, ref, totals));
    }
    await ownership.deleteLedgers(this.#id);
    this.#keysLeft = false;
    this.#plan = undefined;
    this.#process = undefined;
  }

  #nowMs(): number {
    return Math.floor(this.#deps.world.clock.wall());
  }
}

function reference(ref: store.ObjectRef | undefined, what: string): store.ObjectRef {
  if (ref !== undefined) return ref;
  throw dataLoss("REFERENCE_INVALID", `the job's record names no ${what}`);
}
