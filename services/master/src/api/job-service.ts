// sheaf.api.v1.JobService.

import { equals } from "@bufbuild/protobuf";
import { put, readRecord, readRecordOrNull, unchanged } from "@sheaf/ledger";
import { api, state } from "@sheaf/proto";
import type { CallContext, Handlers } from "@sheaf/rpc";
import { aborted, isId, notFound, unavailable } from "@sheaf/runtime";
import { Change } from "../change.ts";
import type { World } from "../context.ts";
import { toEnd } from "../jobs/job-record.ts";
import { isTerminal } from "../jobs/states.ts";
import type { Jobs, KeptJob } from "../mirror/jobs.ts";
import { settle } from "../settle.ts";
import type { Topic } from "../topic.ts";
import type { JobViews } from "./job-views.ts";
import { requireId, requireName } from "./names.ts";
import { pageToken, readPage, tokenInvalid } from "./paging.ts";
import { orSeenWhenSilent } from "./when-silent.ts";

/** A watch tells progress no faster than this. */
const PROGRESS_INTERVAL_MS = 200;
const TRIES_MAX = 10;

export interface JobServiceDeps {
  readonly world: World;
  readonly jobs: Jobs;
  readonly views: JobViews;
  /** By the job's key: its live progress has changed. */
  readonly live: Topic;
}

export class JobService implements Handlers<typeof api.JobService> {
  readonly #deps: JobServiceDeps;

  constructor(deps: JobServiceDeps) {
    this.#deps = deps;
  }

  async inspectJob(request: api.InspectJobRequest) {
    const { id, kept } = await this.#orSeen(request);
    return { job: this.#deps.views.view(request.pipeline, id, kept.record) };
  }

  /** The job as it stands; while etcd is silent as it was last seen, and `waiting_for` says so. */
  #orSeen(request: api.InspectJobRequest): ReturnType<typeof findJob> {
    const { world, jobs } = this.#deps;
    const reading = findJob(this.#deps, request);
    const id = request.job === "" ? jobs.ids(request.pipeline).at(-1) : request.job;
    const kept = id === undefined || !isId(id) ? undefined : jobs.get(request.pipeline, id);
    if (id === undefined || kept === undefined) return reading;
    return orSeenWhenSilent(world, reading, { id, kept });
  }

  /** From the mirror: newest first, over all pipelines or one. */
  async listJobs(request: api.ListJobsRequest) {
    const { jobs, views } = this.#deps;
    const { size, after } = readPage(request.page, "jobs");
    if (after !== undefined && !isId(after)) throw tokenInvalid();
    const pipelines = request.pipeline === "" ? [...jobs.pipelines()] : [requireName("pipeline", request.pipeline)];
    const states: ReadonlySet<api.JobState> = new Set(request.states);
    const found: { readonly pipeline: string; readonly id: string; readonly kept: KeptJob }[] = [];
    for (const pipeline of pipelines) {
      // Of one pipeline no more than a page is needed, from its newest on.
      let taken = 0;
      for (const id of jobs.ids(pipeline).toReversed()) {
        const kept = after === undefined || id < after ? jobs.get(pipeline, id) : undefined;
        if (kept === undefined || (states.size > 0 && !states.has(kept.record.state))) continue;
        found.push({ pipeline, id, kept });
        if (++taken > size) break;
      }
    }
    found.sort((a, b) => (a.id < b.id ? 1 : -1));
    const shown = found.slice(0, size);
    return {
      jobs: shown.map(({ pipeline, id, kept }) => views.view(pipeline, id, kept.record)),
      nextPageToken: found.length > size ? pageToken("jobs", shown.at(-1)?.id ?? "") : "",
    };
  }

  /**
   * A change of state is told at once, progress five times a second: at most ten messages a second, as a job has few states. The
   * last one is never missed, because each message is the job as it is when it is sent.
   */
  async *watchJob(request: api.WatchJobRequest, context: CallContext) {
    const { world, jobs, live } = this.#deps;
    const { clock } = world;
    const { id, kept } = await findJob(this.#deps, request);
    jobs.mirror.learn(kept);
    const change = new Change();
    const ends = [jobs.mirror.changes.listen(kept.key, change.happened), live.listen(kept.key, change.happened)];
    const over = AbortSignal.any([context.signal, context.draining]);
    over.addEventListener("abort", change.happened, { once: true });
    try {
      for (let sent: { readonly job: api.Job; readonly atMs: number } | undefined; ; ) {
        const job = this.#now(request.pipeline, id);
        const isNew = sent === undefined || !equals(api.JobSchema, sent.job, job);
        const waitMs =
          sent === undefined || sent.job.state !== job.state ? 0 : sent.atMs + PROGRESS_INTERVAL_MS - clock.now();
        if (isNew && waitMs <= 0) {
          yield { job };
          sent = { job, atMs: clock.now() };
        }
        if (isTerminal(job.state) || context.signal.aborted) return;
        if (context.draining.aborted)
          throw unavailable("DRAINING", "this master stops, or gives the pipeline to another: watch again", {
            retryDelayMs: 500,
          });
        await change.next(isNew && waitMs > 0 ? { clock, ms: waitMs } : undefined);
      }
    } finally {
      for (const end of ends) end();
    }
  }

  #now(pipeline: string, id: string): api.Job {
    const kept = this.#deps.jobs.get(pipeline, id);
    if (kept !== undefined) return this.#deps.views.view(pipeline, id, kept.record);
    throw notFound("JOB_NOT_FOUND", `job ${id} was deleted with pipeline "${pipeline}"`);
  }

  /** The job fence decides: this, or the publish, or whatever else ends the job. */
  async stopJob(request: api.StopJobRequest) {
    const { world, jobs, views } = this.#deps;
    requireId("job", request.job);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const { id, kept } = await findJob(this.#deps, request);
      if (isTerminal(kept.record.state)) return { job: views.view(request.pipeline, id, kept.record) };
      const ended = { state: api.JobState.STOPPED, reason: "STOPPED_BY_USER", message: "stopped by a user" };
      const record = toEnd(kept.record, ended, Math.floor(world.clock.wall()));
      const outcome = await settle(world, {
        what: `stop job ${request.pipeline}/${id}`,
        compare: [unchanged(kept)],
        then: [put(kept.key, state.JobRecordSchema, record)],
        mark: kept.key,
      });
      if (outcome.kind !== "applied") continue; // it went on: look where it is now
      jobs.mirror.learn({ ...kept, record, modRevision: outcome.revision });
      return { job: views.view(request.pipeline, id, record) };
    }
    throw aborted("JOB_CHANGES", `job ${request.job} keeps changing: try again`);
  }
}

/** Reads a job anew; the newest of the pipeline when no id is given. */
export async function findJob(
  { world, jobs }: Pick<JobServiceDeps, "world" | "jobs">,
  request: { readonly pipeline: string; readonly job: string },
): Promise<{ readonly id: string; readonly kept: KeptJob }> {
  const { etcd, keys } = world;
  const pipeline = requireName("pipeline", request.pipeline);
  const id = request.job === "" ? jobs.ids(pipeline).at(-1) : requireId("job", request.job);
  const kv = id === undefined ? null : await etcd.get(keys.job(pipeline, id));
  if (kv !== null && id !== undefined) return { id, kept: readRecord(state.JobRecordSchema, kv) };
  const exists = readRecordOrNull(state.PipelineRecordSchema, await etcd.get(keys.pipeline(pipeline))) !== null;
  if (!exists) throw notFound("PIPELINE_NOT_FOUND", `there is no pipeline "${pipeline}"`);
  const text = request.job === "" ? "has no job yet" : `has no job ${request.job}`;
  throw notFound("JOB_NOT_FOUND", `pipeline "${pipeline}" ${text}`);
}
