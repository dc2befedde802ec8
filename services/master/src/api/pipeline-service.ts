// sheaf.api.v1.PipelineService.

import { clone, create } from "@bufbuild/protobuf";
import { absent, type Dispatcher, type Kept, nowStamp, put, readRecord, unchanged } from "@sheaf/ledger";
import { api, state } from "@sheaf/proto";
import type { Handlers } from "@sheaf/rpc";
import { aborted, alreadyExists, newId } from "@sheaf/runtime";
import type { World } from "../context.ts";
import { isTerminal } from "../jobs/states.ts";
import type { Jobs } from "../mirror/jobs.ts";
import type { Mirror } from "../mirror/mirror.ts";
import { refuseWhenRead } from "../pipelines/delete-pipeline.ts";
import type { Owners } from "../pipelines/owners.ts";
import { specOf } from "../pipelines/spec.ts";
import type { PoolStatus } from "../pools/status.ts";
import { settle } from "../settle.ts";
import { etagOf, requireEtag } from "./etags.ts";
import { findPipeline } from "./find-pipeline.ts";
import type { JobViews } from "./job-views.ts";
import { listPage } from "./lists.ts";
import { requireName, requireRequestId } from "./names.ts";
import { bumpInputs, outputRepo, refuseCycle, specFields } from "./pipeline-writes.ts";
import { type Identified, identified, type Requests } from "./requests.ts";
import { checkSpec } from "./spec-check.ts";
import { withDefaults } from "./spec-defaults.ts";
import type { Place } from "./spec-place.ts";
import { pipelineView } from "./views.ts";

/** How often a change is tried again because somebody else was first. */
const TRIES_MAX = 5;
/** How long a stop waits for the jobs to end; they end all the same. */
const STOPPED_WITHIN_MS = 5_000;

export interface PipelineServiceDeps {
  readonly world: World;
  readonly requests: Requests;
  readonly pipelines: Mirror<state.PipelineRecord>;
  readonly jobs: Jobs;
  readonly owners: Owners;
  readonly views: JobViews;
  readonly dispatcher: Pick<Dispatcher, "workers">;
  /** Why a pipeline has no workers although it should; undefined: it can run. */
  readonly failing: (pipeline: string) => string | undefined;
  /** What its owner knows of its workers; undefined: another master owns it. */
  readonly poolStatus: (pipeline: string) => PoolStatus | undefined;
  /** Workers of a pipeline that says nothing about its parallelism. */
  readonly defaultWorkers: number;
  readonly place: Place;
}

export class PipelineService implements Handlers<typeof api.PipelineService> {
  readonly #deps: PipelineServiceDeps;

  constructor(deps: PipelineServiceDeps) {
    this.#deps = deps;
  }

  async createPipeline(request: api.CreatePipelineRequest) {
    const { world } = this.#deps;
    checkSpec(request.spec, this.#deps.place);
    requireRequestId(request.requestId);
    const asked = identified("CreatePipeline", request.requestId, api.CreatePipelineRequestSchema, request);
    const earlier = await this.#earlierCreate(asked);
    if (earlier !== null) return earlier;

    const spec = withDefaults(request.spec, this.#deps.defaultWorkers);
    const name = spec.pipeline?.name ?? "";
    const record = create(state.PipelineRecordSchema, {
      version: 1,
      pipelineVersion: 1n,
      created: nowStamp(world.clock),
      updated: nowStamp(world.clock),
      uid: newId(world.random, world.clock),
      ...(await specFields(world, spec)),
    });
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const kept = await this.#putNew(asked, name, spec, record);
      if (kept !== null) return { pipeline: await this.#view(kept) };
      const other = await this.#earlierCreate(asked);
      if (other !== null) return other;
      await this.#refuseTaken(name);
    }
    throw aborted("INPUT_CHANGED", `the input repos of pipeline "${name}" keep changing: try again`);
  }

  /** One transaction: the pipeline and its output repo. Null: something that it compares has changed. */
  async #putNew(asked: Identified, name: string, spec: api.PipelineSpec, record: state.PipelineRecord) {
    const { world, requests, pipelines } = this.#deps;
    const { keys } = world;
    const inputs = await bumpInputs(world, spec);
    // The kept answer leaves the spec out: it may be big, and stands in the record.
    const small = create(api.CreatePipelineResponseSchema, { pipeline: { name, version: record.pipelineVersion } });
    const answer = await requests.keep(asked, api.CreatePipelineResponseSchema, small);
    const key = keys.pipeline(name);
    const outcome = await settle(world, {
      what: `create pipeline "${name}"`,
      compare: [absent(key), absent(keys.repo(name)), ...inputs.compare, ...answer.compare],
      then: [
        put(key, state.PipelineRecordSchema, record),
        put(keys.repo(name), state.RepoRecordSchema, outputRepo(name, record)),
        ...inputs.then,
        ...answer.then,
      ],
      mark: key,
    });
    if (outcome.kind === "lease-not-found") throw requests.leaseGone();
    if (outcome.kind === "refused") return null;
    const kept = { key, record, createRevision: outcome.revision, modRevision: outcome.revision };
    pipelines.learn(kept);
    return kept;
  }

  async #earlierCreate(asked: Identified): Promise<api.CreatePipelineResponse | null> {
    const earlier = await this.#deps.requests.earlier(asked, api.CreatePipelineResponseSchema);
    if (earlier === null) return null;
    const kept = await findPipeline(this.#deps.world, earlier.pipeline?.name ?? "");
    return create(api.CreatePipelineResponseSchema, { pipeline: await this.#view(kept) });
  }

  async #refuseTaken(name: string): Promise<void> {
    const { etcd, keys } = this.#deps.world;
    const [pipeline, repo] = await Promise.all([etcd.get(keys.pipeline(name)), etcd.get(keys.repo(name))]);
    if (pipeline !== null)
      throw alreadyExists(
        "PIPELINE_EXISTS",
        `there is a pipeline "${name}" already: update it, or choose another name`,
      );
    if (repo !== null)
      throw alreadyExists(
        "REPO_EXISTS",
        `there is a repo "${name}", and a pipeline's output repo has its name: choose another`,
      );
  }

  async updatePipeline(request: api.UpdatePipelineRequest) {
    const { world, pipelines, requests } = this.#deps;
    checkSpec(request.spec, this.#deps.place);
    requireRequestId(request.requestId);
    const asked = identified("UpdatePipeline", request.requestId, api.UpdatePipelineRequestSchema, request);
    const spec = withDefaults(request.spec, this.#deps.defaultWorkers);
    const name = spec.pipeline?.name ?? "";
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const earlier = await requests.earlier(asked, api.UpdatePipelineResponseSchema);
      const kept = await findPipeline(this.#deps.world, name);
      if (earlier !== null) return { pipeline: await this.#view(kept) };
      requireEtag(request.etag, kept.modRevision, `pipeline "${name}"`);
      const followed = await refuseCycle(world, name, spec);
      const inputs = await bumpInputs(world, spec);
      const { specObject: _object, spec: _spec, ...before } = clone(state.PipelineRecordSchema, kept.record);
      const record = create(state.PipelineRecordSchema, {
        ...before,
        pipelineVersion: before.pipelineVersion + 1n,
        updated: nowStamp(world.clock),
        ...(await specFields(world, spec)),
      });
      // The kept answer leaves the spec out, as that of a create.
      const small = create(api.UpdatePipelineResponseSchema, { pipeline: { name, version: record.pipelineVersion } });
      const answer = await requests.keep(asked, api.UpdatePipelineResponseSchema, small);
      const outcome = await settle(world, {
        what: `update pipeline "${name}"`,
        compare: [unchanged(kept), ...inputs.compare, ...followed, ...answer.compare],
        then: [put(kept.key, state.PipelineRecordSchema, record), ...inputs.then, ...answer.then],
        mark: kept.key,
      });
      if (outcome.kind === "lease-not-found") throw requests.leaseGone();
      if (outcome.kind !== "applied") continue;
      const updated = { ...kept, record, modRevision: outcome.revision };
      pipelines.learn(updated);
      return { pipeline: await this.#view(updated) };
    }
    throw aborted("PIPELINE_CHANGED", `pipeline "${name}" keeps changing: try again`);
  }

  async inspectPipeline(request: api.InspectPipelineRequest) {
    return { pipeline: await this.#view(await findPipeline(this.#deps.world, requireName("name", request.name))) };
  }

  async listPipelines(request: api.ListPipelinesRequest) {
    const { world } = this.#deps;
    const asked = { prefix: world.keys.pipelines(), list: "pipelines", page: request.page, begin: request.namePrefix };
    const { rows, next } = await listPage(world, asked);
    const all = await Promise.all(rows.map((kv) => this.#view(readRecord(state.PipelineRecordSchema, kv))));
    const states: ReadonlySet<api.PipelineState> = new Set(request.states);
    const pipelines = states.size === 0 ? all : all.filter((pipeline) => states.has(pipeline.state));
    return { pipelines, nextPageToken: next };
  }

  async deletePipeline(request: api.DeletePipelineRequest) {
    const { world, pipelines, owners } = this.#deps;
    const kept = await findPipeline(this.#deps.world, requireName("name", request.name));
    requireEtag(request.etag, kept.modRevision, `pipeline "${request.name}"`);
    await refuseWhenRead(world, request.name); // before anything is stopped
    pipelines.learn(kept);
    const term = await owners.term(request.name);
    await term.delete();
    return {};
  }

  async startPipeline(request: api.StartPipelineRequest) {
    return { pipeline: await this.#view(await this.#setStopped(requireName("name", request.name), false)) };
  }

  /** Answers when its jobs have stopped, or are about to: the owner ends them because the record says so. */
  async stopPipeline(request: api.StopPipelineRequest) {
    const kept = await this.#setStopped(requireName("name", request.name), true);
    await this.#jobsOver(request.name);
    return { pipeline: await this.#view(kept) };
  }

  async runPipeline(request: api.RunPipelineRequest) {
    const { requests, owners, pipelines, views } = this.#deps;
    const name = requireName("name", request.name);
    requireRequestId(request.requestId);
    const asked = identified("RunPipeline", request.requestId, api.RunPipelineRequestSchema, request);
    const earlier = await requests.earlier(asked, api.RunPipelineResponseSchema);
    if (earlier !== null) return earlier;
    pipelines.learn(await findPipeline(this.#deps.world, name));
    const term = await owners.term(name);
    const responseOf = (id: string, record: state.JobRecord) =>
      create(api.RunPipelineResponseSchema, { job: views.view(name, id, record) });
    try {
      const { id, kept } = await term.run((id, record) =>
        requests.keep(asked, api.RunPipelineResponseSchema, responseOf(id, record)),
      );
      return responseOf(id, kept.record);
    } catch (error) {
      // A call with the same id may have been first.
      const other = await requests.earlier(asked, api.RunPipelineResponseSchema);
      if (other !== null) return other;
      throw error;
    }
  }

  async #setStopped(name: string, stopped: boolean): Promise<Kept<state.PipelineRecord>> {
    const { world, pipelines } = this.#deps;
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const kept = await findPipeline(this.#deps.world, name);
      if (kept.record.stopped === stopped) return kept;
      const record = clone(state.PipelineRecordSchema, kept.record);
      record.stopped = stopped;
      record.updated = nowStamp(world.clock);
      const outcome = await settle(world, {
        what: `${stopped ? "stop" : "start"} pipeline "${name}"`,
        compare: [unchanged(kept)],
        then: [put(kept.key, state.PipelineRecordSchema, record)],
        mark: kept.key,
      });
      if (outcome.kind !== "applied") continue;
      const changed = { ...kept, record, modRevision: outcome.revision };
      pipelines.learn(changed);
      return changed;
    }
    throw aborted("PIPELINE_CHANGED", `pipeline "${name}" keeps changing: try again`);
  }

  async #jobsOver(name: string): Promise<void> {
    const { jobs, world } = this.#deps;
    const running = () => [...jobs.open(name)].some((id) => !isTerminal(jobs.get(name, id)?.record.state ?? 0));
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = jobs.ofPipeline.listen(name, () => {
      if (!running()) resolve();
    });
    using _limit = world.clock.timer(STOPPED_WITHIN_MS, resolve);
    if (running()) await promise;
    end();
  }

  async #view(kept: Kept<state.PipelineRecord>): Promise<api.Pipeline> {
    const { world, jobs, dispatcher, failing, poolStatus } = this.#deps;
    const spec = await specOf(world.store, kept.record);
    const name = spec.pipeline?.name ?? "";
    return pipelineView(kept.record, spec, {
      etag: etagOf(kept.modRevision),
      workers: dispatcher.workers(name).length,
      lastJobState: jobs.newest(name)?.record.state ?? api.JobState.UNSPECIFIED,
      failing: failing(name),
      pool: poolStatus(name),
    });
  }
}
