// One term of ownership of one pipeline: from the moment when this replica's epoch stands until it is lost. All that it knows
// comes from etcd, so that a term that begins in the middle goes on where the last one was (J1).

import type { Compare } from "@sheaf/etcd";
import type { Follower, Kept, Ownership } from "@sheaf/ledger";
import type { api, state } from "@sheaf/proto";
import { aborted, failedPrecondition, type Logger, unavailable } from "@sheaf/runtime";
import type { World } from "../context.ts";
import { createJob, type NewJob } from "../jobs/create-job.ts";
import { JobRun } from "../jobs/job-run.ts";
import { jobsWithLedgers } from "../jobs/leftovers.ts";
import type { LiveJob } from "../jobs/live.ts";
import { isTerminal } from "../jobs/states.ts";
import type { Jobs, KeptJob } from "../mirror/jobs.ts";
import type { Mirror } from "../mirror/mirror.ts";
import type { Topic } from "../topic.ts";
import { WakeLoop } from "../wake-loop.ts";
import { deletePipeline } from "./delete-pipeline.ts";
import { type InputBranch, inputsOf, specOf } from "./spec.ts";
import { decideTrigger, OPEN_JOBS_MAX } from "./trigger.ts";

export interface TermDeps {
  readonly world: World;
  readonly pipelines: Mirror<state.PipelineRecord>;
  readonly heads: Mirror<state.HeadRecord>;
  readonly jobs: Jobs;
  /** By the job's key: its live progress has changed. */
  readonly live: Topic;
  /** The most workers that a spec allows, on this cluster as it is now. */
  readonly limit: (spec: api.ParallelismSpec | undefined) => number;
}

/** How often a job is tried to be made while heads and spec change under it. */
const CREATE_TRIES_MAX = 10;

/** How long workers wait for the ledgers of a term that begins. */
const OPEN_WITHIN_MS = 3_000;

export class Term {
  readonly #deps: TermDeps;
  readonly #ownership: Ownership;
  readonly #key: string;
  readonly #log: Logger;
  readonly #runs = new Map<string, JobRun>();
  readonly #trigger: WakeLoop;
  readonly #listening: (() => void)[] = [];
  #listeningToInputs: (() => void)[] = [];
  #inputs: readonly InputBranch[] = [];
  /** Jobs are made one at a time: the next pins what the one before has left. */
  #making: Promise<unknown> = Promise.resolve();
  #deleting = false;
  #ended = false;
  readonly #over = new AbortController();

  constructor(deps: TermDeps, ownership: Ownership) {
    this.#deps = deps;
    this.#ownership = ownership;
    const { world } = deps;
    this.#key = world.keys.pipeline(ownership.pipeline);
    this.#log = world.log.child({ pipeline: ownership.pipeline });
    const { clock, random } = world;
    const name = `trigger of ${ownership.pipeline}`;
    this.#trigger = new WakeLoop({ name, clock, random, log: this.#log, step: () => this.#look() });
  }

  async start(): Promise<void> {
    const { pipelines, jobs, world } = this.#deps;
    const pipeline = this.#ownership.pipeline;
    this.#listening.push(pipelines.changes.listen(this.#key, () => this.#wakeAll()));
    this.#listening.push(jobs.ofPipeline.listen(pipeline, () => this.#wakeAll()));
    this.#wakeAll();
    await this.#ledgersOpen();
    this.#ownership.serve();
    const left = await jobsWithLedgers(world);
    for (const id of jobs.ids(pipeline)) if (left.has(id)) this.#runOf(id).wake();
  }

  /** What workers hold from the term before can be adopted only where a ledger is open; but a broken job must not keep them out. */
  async #ledgersOpen(): Promise<void> {
    const { clock } = this.#deps.world;
    const enough = Promise.withResolvers<void>();
    using _limit = clock.timer(OPEN_WITHIN_MS, enough.resolve);
    await Promise.race([enough.promise, Promise.all([...this.#runs.values()].map((run) => run.looked))]);
  }

  async stop(): Promise<void> {
    this.#ended = true;
    this.#over.abort();
    for (const end of [...this.#listening, ...this.#listeningToInputs]) end();
    await Promise.all([this.#trigger.stop(), ...[...this.#runs.values()].map((run) => run.stop())]);
  }

  live(job: string): LiveJob | undefined {
    return this.#runs.get(job)?.live();
  }

  guard(): readonly Compare[] {
    return this.#ownership.guard();
  }

  stragglers(): number {
    return this.#ownership.stragglers();
  }

  /** Aborted when it ends: no more lines come to those who follow. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Until the function that is returned is called. */
  follow(follower: Follower): () => void {
    return this.#ownership.follow(follower);
  }

  /** Has a datum that runs begin again. False: it does not run. */
  restart(job: string, index: number): boolean {
    return this.#ownership.restart({ pipeline: this.#ownership.pipeline, job, kind: "process" }, index);
  }

  /** Makes a job of the heads as they are now, asked for by a user. */
  run(answer: NewJob["answer"]): Promise<{ readonly id: string; readonly kept: KeptJob }> {
    return this.#oneAtATime(async () => {
      const open = this.#openJobs();
      if (open < OPEN_JOBS_MAX) return this.#create(answer);
      throw failedPrecondition(
        "TOO_MANY_JOBS",
        `${open} jobs of pipeline "${this.#ownership.pipeline}" are not over: wait for some, or stop them`,
      );
    });
  }

  /** Stops what runs, then deletes the pipeline with all that is its own. */
  async delete(): Promise<void> {
    this.#deleting = true;
    try {
      this.#wakeAll();
      await this.#allAtRest();
      await deletePipeline(this.#deps.world, this.#ownership);
    } catch (error) {
      this.#deleting = false;
      throw error;
    }
  }

  #wakeAll(): void {
    if (this.#ended) return;
    for (const id of this.#deps.jobs.open(this.#ownership.pipeline)) this.#runOf(id);
    for (const [id, run] of this.#runs) {
      if (!run.rests) run.wake();
      else this.#forget(id, run);
    }
    this.#trigger.wake();
  }

  #runOf(id: string): JobRun {
    const known = this.#runs.get(id);
    if (known !== undefined) return known;
    const { world, jobs, live, limit } = this.#deps;
    const key = world.keys.job(this.#ownership.pipeline, id);
    const run = new JobRun(
      {
        world,
        jobs,
        limit,
        ownership: this.#ownership,
        pipelineStopped: () => this.#stopped(),
        changed: () => live.changed(key),
      },
      id,
    );
    this.#runs.set(id, run);
    return run;
  }

  #forget(id: string, run: JobRun): void {
    this.#runs.delete(id);
    run.stop().catch((error) => this.#log.warn({ err: error, job: id }, "cannot let a job go"));
  }

  #stopped(): boolean {
    return this.#deleting || this.#record()?.record.stopped === true;
  }

  #record(): Kept<state.PipelineRecord> | undefined {
    return this.#deps.pipelines.get(this.#key);
  }

  #openJobs(): number {
    const { jobs } = this.#deps;
    const pipeline = this.#ownership.pipeline;
    let open = 0;
    for (const id of jobs.open(pipeline)) {
      const kept = jobs.get(pipeline, id);
      if (kept !== undefined && !isTerminal(kept.record.state)) open++;
    }
    return open;
  }

  /** The step of the trigger's loop. */
  async #look(): Promise<undefined> {
    await this.#listenToInputs();
    await this.#oneAtATime(async () => {
      if (decideTrigger(this.#triggerView()).kind === "create") await this.#create(undefined);
    });
    return undefined;
  }

  async #listenToInputs(): Promise<void> {
    const kept = this.#record();
    if (kept === undefined) return;
    const { world, heads } = this.#deps;
    const inputs = inputsOf(await specOf(world.store, kept.record));
    if (JSON.stringify(inputs) === JSON.stringify(this.#inputs)) return;
    for (const end of this.#listeningToInputs) end();
    this.#inputs = inputs;
    const wake = () => this.#trigger.wake();
    this.#listeningToInputs = inputs.map(({ repo, branch }) =>
      heads.changes.listen(world.keys.head(repo, branch), wake),
    );
  }

  #triggerView(): Parameters<typeof decideTrigger>[0] {
    const { world, heads, jobs } = this.#deps;
    const newest = jobs.newest(this.#ownership.pipeline)?.record;
    const pinnedBy = (input: InputBranch) =>
      newest?.inputs.find((each) => each.repo === input.repo && each.branch === input.branch)?.commit;
    return {
      stopped: this.#stopped() || this.#record() === undefined,
      heads: this.#inputs.map(({ repo, branch }) => heads.get(world.keys.head(repo, branch))?.record.commit ?? ""),
      pinned: newest === undefined ? null : this.#inputs.map(pinnedBy),
      newest: newest?.state ?? null,
      open: this.#openJobs(),
    };
  }

  async #create(answer: NewJob["answer"]): Promise<{ readonly id: string; readonly kept: KeptJob }> {
    const { world, jobs, pipelines } = this.#deps;
    const { pipeline } = this.#ownership;
    for (let tries = 0; tries < CREATE_TRIES_MAX; tries++) {
      const kept = this.#record();
      if (kept === undefined || this.#deleting)
        throw failedPrecondition("PIPELINE_DELETED", `pipeline "${pipeline}" is being deleted`);
      if (kept.record.stopped) {
        throw failedPrecondition("PIPELINE_STOPPED", `pipeline "${pipeline}" is stopped: start it first`);
      }
      const spec = await specOf(world.store, kept.record);
      const newest = jobs.ids(pipeline).at(-1);
      const made = await createJob(world, {
        ownership: this.#ownership,
        pipeline: kept,
        spec,
        newest,
        ...(answer && { answer }),
      });
      if (made.kind === "lost") throw changesHands(pipeline);
      if (made.kind === "created") {
        this.#log.info({ job: made.id }, "job created");
        jobs.mirror.learn(made.kept);
        return made;
      }
      await pipelines.refresh(this.#key);
    }
    throw aborted("INPUTS_MOVE", `the inputs of pipeline "${pipeline}" keep changing: try again`);
  }

  #oneAtATime<T>(make: () => Promise<T>): Promise<T> {
    const made = this.#making.then(make);
    this.#making = made.catch(() => {});
    return made;
  }

  /** Resolves when no job of the pipeline has anything left to do. */
  async #allAtRest(): Promise<void> {
    const { pipeline, lost } = this.#ownership;
    const rested = Promise.all([...this.#runs.values()].map((run) => run.atRest));
    if (await Promise.race([rested.then(() => true), lost.then(() => false)])) return;
    throw changesHands(pipeline);
  }
}

function changesHands(pipeline: string): Error {
  return unavailable("NOT_OWNER", `pipeline "${pipeline}" changes hands: try again`, { retryDelayMs: 500 });
}
