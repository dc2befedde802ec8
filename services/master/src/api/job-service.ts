// sheaf.api.v1.JobService.

import { put, readRecord, unchanged } from "@sheaf/ledger";
import { api, state } from "@sheaf/proto";
import type { CallContext, Handlers } from "@sheaf/rpc";
import { aborted, invalidArgument, isId, notFound } from "@sheaf/runtime";
import type { World } from "../context.ts";
import { toEnd } from "../jobs/job-record.ts";
import { isTerminal } from "../jobs/states.ts";
import type { Jobs, KeptJob } from "../mirror/jobs.ts";
import { settle } from "../settle.ts";
import type { Topic } from "../topic.ts";
import { readCreated } from "./created.ts";
import { findPipeline } from "./find-pipeline.ts";
import type { JobViews } from "./job-views.ts";
import { requireId, requireName } from "./names.ts";
import { pageToken, readPage, tokenInvalid } from "./paging.ts";
import { readJobTold, watchJob } from "./watch-job.ts";
import { orSeenWhenSilent } from "./when-silent.ts";

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
  #watchers = 0;

  constructor(deps: JobServiceDeps) {
    this.#deps = deps;
  }

  /** A job that is over never changes again, so the copy of it here is as good as etcd's. */
  async inspectJob(request: api.InspectJobRequest) {
    const pipeline = requireName("pipeline", request.pipeline);
    const seen = isId(request.job) ? this.#deps.jobs.get(pipeline, request.job) : undefined;
    const isOver = seen !== undefined && isTerminal(seen.record.state);
    const { id, kept } = isOver ? { id: request.job, kept: seen } : await this.#orSeen(request);
    const { views } = this.#deps;
    const committed = await views.committed(pipeline, id, kept.record);
    return { job: views.view(pipeline, id, kept.record, committed) };
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
    const isAsked = readCreated(request);
    const named = request.pipeline === "" ? [...jobs.pipelines()] : [requireName("pipeline", request.pipeline)];
    const pipelines = named.filter((name) => name.startsWith(request.pipelinePrefix));
    const states: ReadonlySet<api.JobState> = new Set(request.states);
    const found: { readonly pipeline: string; readonly id: string; readonly kept: KeptJob }[] = [];
    for (const pipeline of pipelines) {
      // Of one pipeline no more than a page is needed, from its newest on.
      let taken = 0;
      for (const id of jobs.ids(pipeline).toReversed()) {
        const kept = after === undefined || id < after ? jobs.get(pipeline, id) : undefined;
        if (kept === undefined || (states.size > 0 && !states.has(kept.record.state))) continue;
        if (!isAsked(kept.record.created)) continue;
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

  /** See watch-job.ts. */
  async *watchJob(request: api.WatchJobRequest, context: CallContext) {
    const { world, jobs, live, views } = this.#deps;
    const told = readJobTold(request.resume);
    const { pipeline } = request;
    if (told !== undefined && request.job !== "" && request.job !== told.job) throw otherJob(told.job);
    const { id, kept } = await findJob(this.#deps, { pipeline, job: told?.job ?? request.job });
    jobs.mirror.learn(kept);
    const committed = await views.committed(pipeline, id, kept.record);
    const record = () => {
      const now = jobs.get(pipeline, id);
      if (now === undefined) throw notFound("JOB_NOT_FOUND", `job ${id} was deleted with pipeline "${pipeline}"`);
      return now.record;
    };
    this.#watchers++;
    using ends = new DisposableStack();
    const end = () => ends.dispose();
    // A caller who does not read is not told to go on, so that nothing after a yield may be counted on.
    context.signal.addEventListener("abort", end, { once: true });
    ends.defer(() => void this.#watchers--);
    yield* watchJob(
      {
        watchers: () => this.#watchers,
        ...{
          clock: world.clock,
          id,
          key: kept.key,
          said: told?.said ?? "",
          records: jobs.mirror.changes,
          live,
          record,
        },
        view: (now) => views.view(pipeline, id, now, committed),
      },
      context,
    );
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

function otherJob(job: string): Error {
  const description = `is of job ${job}: of another job begin without it`;
  return invalidArgument("RESUME_INVALID", `resume ${description}`, { details: [{ field: "resume", description }] });
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
  await findPipeline(world, pipeline);
  const text = request.job === "" ? "has no job yet" : `has no job ${request.job}`;
  throw notFound("JOB_NOT_FOUND", `pipeline "${pipeline}" ${text}`);
}
