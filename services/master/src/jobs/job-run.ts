// The thin loop around `decide`: it looks at one job, takes the step, and looks again, until the job waits or rests. Steps of one
// job never overlap; jobs of a pipeline run beside each other and meet only in their records.

import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import type { Ownership } from "@sheaf/ledger";
import { api, type state } from "@sheaf/proto";
import { messageOf, SheafError } from "@sheaf/runtime";
import type { World } from "../context.ts";
import type { Jobs, KeptJob } from "../mirror/jobs.ts";
import { WakeLoop } from "../wake-loop.ts";
import { decide, type JobStep, type JobView } from "./decide.ts";
import { failuresAllowed } from "./failure-policy.ts";
import { JobSteps } from "./job-steps.ts";
import { JobWriter } from "./job-writer.ts";
import type { LiveJob } from "./live.ts";
import { MergeWatch } from "./merge-watch.ts";
import { isMerging, isTerminal, stateName } from "./states.ts";

export interface JobRunDeps {
  readonly world: World;
  readonly jobs: Jobs;
  readonly ownership: Ownership;
  /** The most workers that a spec allows, on this cluster as it is now. */
  readonly limit: (spec: api.ParallelismSpec | undefined) => number;
  /** A user has stopped the pipeline, or deletes it. */
  readonly pipelineStopped: () => boolean;
  /** `live` says something new. */
  readonly changed: () => void;
}

export class JobRun {
  readonly id: string;
  readonly #deps: JobRunDeps;
  readonly #steps: JobSteps;
  readonly #loop: WakeLoop;
  readonly #looked = Promise.withResolvers<void>();
  readonly #atRest = Promise.withResolvers<void>();
  #merge: MergeWatch | undefined;
  #waitingFor = "";
  #rests = false;

  constructor(deps: JobRunDeps, id: string) {
    const { world, jobs, ownership, limit, changed } = deps;
    const { clock, random, log } = world;
    this.#deps = deps;
    this.id = id;
    this.#steps = new JobSteps(
      {
        world,
        jobs,
        ownership,
        limit,
        writer: new JobWriter(world, jobs, ownership),
        changed,
        wake: () => this.wake(),
      },
      id,
    );
    const name = `job ${ownership.pipeline}/${id}`;
    this.#loop = new WakeLoop({
      name,
      clock,
      random,
      log,
      step: (signal) => this.#run(signal).finally(this.#looked.resolve),
    });
  }

  /** Something that the job depends on may have changed. */
  wake(): void {
    this.#loop.wake();
  }

  /** Nothing is left to do, now or after a restart. */
  get rests(): boolean {
    return this.#rests;
  }

  /** Resolves when it rests. */
  get atRest(): Promise<void> {
    return this.#atRest.promise;
  }

  /** Resolves when the job was looked at once: its ledger is open, if it has one. */
  get looked(): Promise<void> {
    return this.#looked.promise;
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    await this.#merge?.close();
  }

  live(): LiveJob {
    const { progress, handedOutMs } = this.#steps;
    return { waitingFor: this.#waitingFor, process: progress, merge: this.#merge?.progress(), handedOutMs };
  }

  /** Takes steps until one of them is to wait. Answers when to look again without a wake. */
  async #run(stopped: AbortSignal): Promise<number | undefined> {
    while (!stopped.aborted) {
      const kept = this.#deps.jobs.get(this.#deps.ownership.pipeline, this.id);
      if (kept === undefined) return undefined; // deleted, with its pipeline
      this.#watchMerge(kept);
      const step = await this.#orBroken(kept, () => this.#one(kept));
      if (step?.kind === "rest") return this.#rest();
      if (step?.kind === "wait") return this.#wait(step);
    }
    return undefined;
  }

  async #one(kept: KeptJob): Promise<JobStep> {
    const step = decide(this.#view(kept, await this.#steps.spec(kept.record)));
    if (step.kind === "wait" || step.kind === "rest") return step;
    this.#deps.world.log.debug({ key: kept.key, state: stateName(kept.record.state), step: step.kind }, "job step");
    await this.#steps.take(step, kept);
    return step;
  }

  /** What was stored and is not there, or is not what was stored, ends the job: it is never guessed away. */
  async #orBroken(kept: KeptJob, one: () => Promise<JobStep>): Promise<JobStep | undefined> {
    try {
      return await one();
    } catch (error) {
      const broken = error instanceof SheafError && (error.code === "DATA_LOSS" || error.reason === "LEDGER_DIFFERS");
      if (!broken || isTerminal(kept.record.state)) throw error;
      await this.#steps.end(kept, { state: api.JobState.INCONSISTENT, reason: error.reason, message: error.message });
      return undefined;
    }
  }

  #view({ record }: KeptJob, spec: api.PipelineSpec | undefined): JobView {
    const { jobs, ownership, pipelineStopped, world } = this.#deps;
    const beforeId = jobs.before(ownership.pipeline, this.id);
    const before = beforeId === undefined ? undefined : jobs.get(ownership.pipeline, beforeId);
    const timeout = spec?.jobTimeout;
    return {
      state: record.state,
      datums: Number(record.datums),
      mayFail: failuresAllowed(spec?.failurePolicy, Number(record.datums)),
      archived: record.archive !== undefined && !this.#steps.keysLeft,
      startNoted: record.started !== undefined,
      handedOutMs: this.#steps.handedOutMs,
      createdMs: millis(record.created),
      timeoutMs: timeout === undefined ? undefined : Number(timeout.seconds) * 1_000 + timeout.nanos / 1e6,
      plan: this.#steps.plan,
      process: this.#steps.process,
      pipelineStopped: pipelineStopped(),
      before: beforeId === undefined || before === undefined ? null : viewBefore(beforeId, before.record),
      nowMs: Math.floor(world.clock.wall()),
    };
  }

  #wait({ waitingFor, atMs }: Extract<JobStep, { kind: "wait" }>): number | undefined {
    if (this.#waitingFor !== waitingFor) {
      this.#waitingFor = waitingFor;
      this.#deps.changed();
    }
    return atMs === undefined ? undefined : Math.max(0, atMs - Math.floor(this.#deps.world.clock.wall()));
  }

  #rest(): undefined {
    this.#rests = true;
    this.#atRest.resolve();
  }

  #watchMerge({ record }: KeptJob): void {
    const { world, changed } = this.#deps;
    if (isMerging(record.state)) {
      this.#merge ??= new MergeWatch(world, this.id, changed);
      return;
    }
    this.#merge?.close().catch((error) => world.log.warn({ err: error }, `cannot close a watch: ${messageOf(error)}`));
    this.#merge = undefined;
  }
}

function viewBefore(id: string, { state, runs, archive }: state.JobRecord): NonNullable<JobView["before"]> {
  return { id, state, isReadable: runs !== undefined || archive !== undefined };
}

function millis(time: Timestamp | undefined): number {
  return time === undefined ? 0 : timestampMs(time);
}
