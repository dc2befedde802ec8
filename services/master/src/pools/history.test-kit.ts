// Pools in virtual time: pipelines get jobs, workers start, run datums and leave, and what decides is the real thing. A pass is made
// whenever something happens and when a step asked for it, as in the loop.

import assert from "node:assert/strict";
import type { Random } from "@sheaf/runtime";
import { decideAll, IDLE_MS, type PoolStep, type PoolView, type WorkerView } from "./decide.ts";
import { demandOf, type JobWork } from "./demand.ts";

/** Virtual time goes on by this. */
const TICK_MS = 100;

export interface PipelineSpec {
  readonly name: string;
  readonly limit: number;
  readonly autoscaling: boolean;
}

interface Job {
  readonly id: string;
  /** Milliseconds that each datum takes; the plan comes first. */
  readonly waiting: number[];
  planned: boolean;
  running: number;
  /** How often each datum was begun. */
  begun: number;
  readonly datums: number;
}

interface Worker {
  readonly id: string;
  readonly createdMs: number;
  readonly connectsMs: number;
  toldMs: number | undefined;
  idleMs: number;
  work: { readonly job: Job; readonly endMs: number; readonly isPlan: boolean } | undefined;
}

interface Pipeline extends PipelineSpec {
  readonly jobs: Job[];
  readonly workers: Worker[];
  /** Since when something waits that could run and nobody is there. */
  strandedMs: number | undefined;
}

export class History {
  readonly processesMax: number;
  nowMs = 1_000_000;
  /** What was wanted, whenever that changed: by pipeline. */
  readonly wanted = new Map<string, number[]>();
  /** Longest that something waited without any worker in sight. */
  strandedMs = 0;
  readonly #random: Random;
  readonly #pipelines: Pipeline[];
  #ids = 0;
  #atMs = 0;

  constructor(random: Random, specs: readonly PipelineSpec[], processesMax: number) {
    this.#random = random;
    this.processesMax = processesMax;
    this.#pipelines = specs.map((spec) => ({ ...spec, jobs: [], workers: [], strandedMs: undefined }));
  }

  get names(): string[] {
    return this.#pipelines.map(({ name }) => name);
  }

  get isQuiet(): boolean {
    return this.#pipelines.every(({ jobs }) => jobs.length === 0);
  }

  workers(name: string): number {
    return this.#of(name).workers.length;
  }

  commit(name: string, datumsMs: readonly number[]): void {
    const id = String(this.#ids++).padStart(6, "0");
    const job = { id, waiting: [...datumsMs], planned: false, running: 0, begun: 0, datums: datumsMs.length };
    this.#of(name).jobs.push(job);
    this.#atMs = 0;
  }

  /** Gives a job that runs more to do. */
  refill(name: string, datumsMs: readonly number[]): void {
    this.#of(name).jobs[0]?.waiting.push(...datumsMs);
  }

  waiting(name: string): number {
    return this.#of(name).jobs.reduce((sum, { waiting }) => sum + waiting.length, 0);
  }

  /** A worker of some pipeline dies, if there is one. */
  kill(): void {
    const pipeline = this.#pick(this.#pipelines);
    const worker = this.#pick(pipeline.workers);
    if (worker === undefined) return;
    const { work } = worker;
    if (work?.isPlan === false) {
      work.job.running--;
      work.job.begun--;
      work.job.waiting.push(work.endMs - this.nowMs + TICK_MS);
    }
    pipeline.workers.splice(pipeline.workers.indexOf(worker), 1);
    this.#atMs = 0;
  }

  /** Time goes on. */
  run(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end; this.nowMs += TICK_MS) {
      for (const pipeline of this.#pipelines) this.#work(pipeline);
      if (this.nowMs >= this.#atMs) this.#pass();
      this.#check();
    }
  }

  #work(pipeline: Pipeline): void {
    for (const worker of pipeline.workers) {
      const { work } = worker;
      if (work === undefined || work.endMs > this.nowMs) continue;
      worker.work = undefined;
      worker.idleMs = this.nowMs;
      if (work.isPlan) work.job.planned = true;
      else work.job.running--;
      this.#atMs = 0;
    }
    for (const worker of pipeline.workers) this.#hand(pipeline, worker);
    for (const worker of [...pipeline.workers]) {
      if (worker.toldMs === undefined || worker.work !== undefined) continue;
      pipeline.workers.splice(pipeline.workers.indexOf(worker), 1); // it goes as soon as it holds nothing
      this.#atMs = 0;
    }
    for (const job of [...pipeline.jobs]) {
      if (!job.planned || job.waiting.length > 0 || job.running > 0) continue;
      assert.ok(job.begun >= job.datums, "every datum was run");
      pipeline.jobs.splice(pipeline.jobs.indexOf(job), 1);
    }
  }

  #hand(pipeline: Pipeline, worker: Worker): void {
    if (worker.work !== undefined || worker.toldMs !== undefined || worker.connectsMs > this.nowMs) return;
    for (const job of pipeline.jobs) {
      const isPlanning = pipeline.workers.some(({ work }) => work?.isPlan === true && work.job === job);
      if (!job.planned) {
        if (!isPlanning) worker.work = { job, endMs: this.nowMs + 200, isPlan: true };
        return;
      }
      const ms = job.waiting.shift();
      if (ms === undefined) continue;
      job.running++;
      job.begun++;
      worker.work = { job, endMs: this.nowMs + ms, isPlan: false };
      return;
    }
  }

  #pass(): void {
    const views = new Map(this.#pipelines.map((pipeline) => [pipeline.name, this.#view(pipeline)]));
    this.#atMs = Number.POSITIVE_INFINITY;
    for (const [name, step] of decideAll(views, this.processesMax)) {
      const view = views.get(name) ?? assert.fail();
      this.#checkStep(name, view, step);
      this.#apply(this.#of(name), step);
      const said = this.wanted.get(name) ?? [];
      if (said.at(-1) !== step.wanted) said.push(step.wanted);
      this.wanted.set(name, said);
      this.#atMs = Math.min(this.#atMs, step.atMs ?? Number.POSITIVE_INFINITY);
    }
  }

  #view({ limit, autoscaling, jobs, workers }: Pipeline): PoolView {
    const works = jobs.flatMap((job): JobWork[] => {
      const left = job.waiting.length + job.running;
      if (!job.planned) return [{ job: job.id, kind: "plan", left: 1, worth: 1, holders: [] }];
      return left === 0 ? [] : [{ job: job.id, kind: "process", left, worth: left, holders: [] }];
    });
    const views = workers.map(({ id, createdMs, connectsMs, toldMs, idleMs, work }): WorkerView => {
      const connected = connectsMs <= this.nowMs;
      const isIdle = work === undefined;
      const plain = {
        id,
        ours: true,
        leaving: toldMs !== undefined,
        toldMs,
        connected,
        outdated: false,
        trouble: undefined,
      };
      return { ...plain, claims: isIdle ? 0 : 1, idleMs: Math.max(idleMs, connectsMs), sinceMs: createdMs };
    });
    return { limit, autoscaling, demand: demandOf(works, 0), workers: views, failures: null, nowMs: this.nowMs };
  }

  #apply(pipeline: Pipeline, { create, drain, remove }: PoolStep): void {
    for (const worker of pipeline.workers) if (drain.includes(worker.id)) worker.toldMs = this.nowMs;
    for (const id of remove) {
      const worker = pipeline.workers.find((each) => each.id === id);
      if (worker !== undefined) pipeline.workers.splice(pipeline.workers.indexOf(worker), 1);
    }
    for (let i = 0; i < create; i++) {
      const connectsMs = this.nowMs + 300 + this.#random.int(1_500);
      const id = `w${this.#ids++}`;
      pipeline.workers.push({ id, createdMs: this.nowMs, connectsMs, toldMs: undefined, idleMs: 0, work: undefined });
    }
    if (create + drain.length + remove.length > 0) this.#atMs = 0;
  }

  #checkStep(name: string, view: PoolView, step: PoolStep): void {
    const gone = new Set([...step.drain, ...step.remove]);
    const staying = view.workers.filter(({ id, leaving }) => !leaving && !gone.has(id));
    const isBusy = ({ claims }: WorkerView) => claims > 0;
    const told = view.workers.filter(({ id }) => step.drain.includes(id));
    if (told.some(isBusy)) {
      assert.ok(staying.every(isBusy), `${name}: a busy worker is drained while an idle one stays`);
      assert.ok(step.wanted < told.length + staying.length && step.share < view.limit, `${name}: without need`);
    }
    const removed = view.workers.filter(({ id }) => step.remove.includes(id));
    assert.ok(!removed.some(isBusy), `${name}: a busy worker is ended by force`);
    assert.ok(staying.length + step.create <= view.limit, `${name}: more than its limit`);
    assert.ok(step.why !== "", `${name}: no reason`);
  }

  #check(): void {
    const all = this.#pipelines.reduce((sum, { workers }) => sum + workers.length, 0);
    assert.ok(all <= this.processesMax, `${all} processes of at most ${this.processesMax}`);
    for (const pipeline of this.#pipelines) {
      const { jobs, workers } = pipeline;
      const waits = jobs.some((job) => !job.planned || job.waiting.length > 0);
      const isStranded = waits && workers.every(({ toldMs }) => toldMs !== undefined);
      pipeline.strandedMs = isStranded ? (pipeline.strandedMs ?? this.nowMs) : undefined;
      if (pipeline.strandedMs !== undefined)
        this.strandedMs = Math.max(this.strandedMs, this.nowMs - pipeline.strandedMs);
    }
  }

  #of(name: string): Pipeline {
    return this.#pipelines.find((each) => each.name === name) ?? assert.fail(name);
  }

  #pick<T>(some: readonly T[]): T {
    return some[this.#random.int(Math.max(1, some.length))] as T;
  }
}

/** All that could have gone has gone. */
export const SETTLE_MS = IDLE_MS + 3_000;
