// sheaf.api.v1.DatumService: datums of jobs, and what their commands wrote.

import type { Etcd, Keys } from "@sheaf/etcd";
import { getMessage } from "@sheaf/files";
import { readRecord } from "@sheaf/ledger";
import { type api, state, store } from "@sheaf/proto";
import type { CallContext, Handlers } from "@sheaf/rpc";
import { failedPrecondition, notFound, resourceExhausted, unavailable } from "@sheaf/runtime";
import { Change } from "../change.ts";
import type { World } from "../context.ts";
import {
  type DatumSeen,
  datumsFrom,
  type HeldInterval,
  type JobDatums,
  type OpenTries,
  type RunningDatum,
} from "../datums/datum-rows.ts";
import { type DoneRun, doneRuns } from "../datums/done-runs.ts";
import { findDatum } from "../datums/find-datum.ts";
import { followLogs, Inbox, type Telling } from "../datums/follow-logs.ts";
import type { DatumLine, LogFilter } from "../datums/log-filter.ts";
import { lastLines, logLines } from "../datums/logs.ts";
import { checkNames, notRunning, running } from "../datums/running.ts";
import { Told } from "../datums/told.ts";
import { isTerminal, stateName } from "../jobs/states.ts";
import type { Jobs, KeptJob } from "../mirror/jobs.ts";
import type { Owners } from "../pipelines/owners.ts";
import type { Topic } from "../topic.ts";
import { findJob } from "./job-service.ts";
import { FOLLOWERS_MAX, MESSAGE_BYTES_MAX } from "./limits.ts";
import { type LogsAsked, readLogsRequest } from "./logs-request.ts";
import { pageToken, readPage, tokenInvalid } from "./paging.ts";

export interface DatumServiceDeps {
  readonly world: World;
  readonly jobs: Jobs;
  readonly owners: Pick<Owners, "live" | "term">;
  /** By the job's key: its live progress has changed. */
  readonly live: Topic;
}

/** Rows that one call looks at, so that a filter over ten million datums answers in time; the next page goes on. */
const LOOKED_AT_MAX = 100_000;
const LINES_PER_MESSAGE = 1_000;
const LINE_OVERHEAD = 64;

export class DatumService implements Handlers<typeof api.DatumService> {
  readonly #deps: DatumServiceDeps;
  #followers = 0;

  constructor(deps: DatumServiceDeps) {
    this.#deps = deps;
  }

  /** A page may hold fewer datums than asked for, and be followed by another. */
  async listDatums(request: api.ListDatumsRequest) {
    const { size, after } = readPage(request.page, "datums");
    if (after !== undefined && !/^\d{1,12}$/.test(after)) throw tokenInvalid();
    const job = await this.#read(request);
    const states: ReadonlySet<api.DatumState> = new Set(request.states);
    const from = after === undefined ? 0 : Number(after);
    const datums: api.Datum[] = [];
    let looked = 0;
    for await (const { datum } of datumsFrom(this.#deps.world.store, job, from, states)) {
      if (datums.length === size || looked === LOOKED_AT_MAX)
        return { datums, nextPageToken: pageToken("datums", String(datum.index)) };
      looked++;
      if (states.size === 0 || states.has(datum.state)) datums.push(datum);
    }
    return { datums, nextPageToken: "" };
  }

  async inspectDatum(request: api.InspectDatumRequest) {
    const job = await this.#read(request);
    const index = await findDatum(this.#deps.world.store, job.plan, request.datum);
    const seen = await firstOf(datumsFrom(this.#deps.world.store, job, index, NO_STATES));
    if (seen === undefined) throw notFound("DATUM_NOT_FOUND", `the job has no datum ${index}`);
    return { datum: seen.datum };
  }

  async restartDatum({ pipeline, job: named, datums: names }: api.RestartDatumRequest) {
    checkNames(names);
    const { id, kept } = await findJob(this.#deps, { pipeline, job: named });
    const { state } = kept.record;
    if (isTerminal(state)) {
      throw failedPrecondition("JOB_OVER", `job ${id} has ${stateName(state)}: none of its datums runs`);
    }
    const job = await this.#read({ pipeline, job: id });
    const datums = await running(this.#deps.world.store, job, names);
    const term = await this.#deps.owners.term(pipeline);
    // What has ended since it was looked at needs no restart, and cannot have one.
    const restarted = datums.filter(({ index }) => term.restart(id, Number(index)));
    const [gone] = datums.filter((datum) => !restarted.includes(datum));
    if (restarted.length === 0 && gone !== undefined) throw notRunning(gone);
    return { datums: restarted };
  }

  async *getLogs(request: api.GetLogsRequest, context: CallContext) {
    const asked = readLogsRequest(request);
    const { store: objects } = this.#deps.world;
    const { pipeline, follow } = request;
    const { id, kept } = await findJob(this.#deps, { pipeline, job: asked.told?.job ?? request.job });
    const filter = { ...asked.filter, range: await this.#range(kept, request.datum) };
    if (follow) return yield* this.#follow({ pipeline, id, kept, filter, asked }, context);
    const runs = await this.#runs(pipeline, id, kept);
    const lines = asked.tail > 0 ? await lastLines(objects, runs, filter, asked.tail) : logLines(objects, runs, filter);
    yield* batches(lines);
  }

  async *#follow({ pipeline, id, kept, filter, asked }: FollowAsked, context: CallContext) {
    const { world, jobs, live, owners } = this.#deps;
    if (this.#followers >= FOLLOWERS_MAX) {
      const text = `${FOLLOWERS_MAX} calls follow logs at this master: end one of them`;
      throw resourceExhausted("TOO_MANY_FOLLOWERS", text);
    }
    // Of a job that is over nothing comes from workers.
    const term = isTerminal(kept.record.state) ? undefined : await owners.term(pipeline);
    const told = asked.told ?? new Told(id);
    const change = new Change();
    let hasChanged = true;
    const changed = () => {
      hasChanged = true;
      change.happened();
    };
    const over = AbortSignal.any([context.signal, context.draining, ...(term === undefined ? [] : [term.over])]);
    const inbox = new Inbox(id, { lines: change.happened, full: context.cut });
    using ends = new DisposableStack();
    const end = () => ends.dispose();
    // A caller who does not read is not told to go on, so that nothing after a yield may be counted on.
    context.signal.addEventListener("abort", end, { once: true });
    this.#followers++;
    ends.defer(() => void this.#followers--);
    ends.defer(jobs.mirror.changes.listen(kept.key, changed));
    ends.defer(live.listen(kept.key, changed));
    if (term !== undefined) ends.defer(term.follow(inbox.put));
    over.addEventListener("abort", change.happened, { once: true });
    const look = async () => {
      const { kept: now } = await findJob(this.#deps, { pipeline, job: id });
      return { runs: await this.#runs(pipeline, id, now), isOver: isTerminal(now.record.state) };
    };
    const check = () => {
      if (!over.aborted) return;
      const text = "this master stops, or gives the pipeline to another: follow again from here";
      throw unavailable("DRAINING", text, { retryDelayMs: 500 });
    };
    if (asked.tail > 0 && asked.told === undefined) {
      const { runs } = await look();
      const lines = await lastLines(world.store, runs, filter, asked.tail);
      for (const run of runs) told.done(run);
      for await (const batch of batches(lines)) yield { ...batch, resume: told.token() };
    }
    const lines = followLogs({
      ...{ store: world.store, clock: world.clock, filter, told, inbox, change, look, check },
      hasChanged: () => {
        const is = hasChanged;
        hasChanged = false;
        return is;
      },
    });
    for await (const batch of batches(lines)) yield { ...batch, resume: told.token() };
  }

  async #range({ record }: KeptJob, datum: string): Promise<LogFilter["range"]> {
    if (datum === "") return { from: 0, to: Number.MAX_SAFE_INTEGER };
    const { store: objects } = this.#deps.world;
    const plan =
      record.plan === undefined ? undefined : await getMessage(objects, store.PlanManifestSchema, record.plan);
    const index = await findDatum(objects, plan, datum);
    return { from: index, to: index + 1 };
  }

  async #runs(pipeline: string, job: string, { record }: KeptJob): Promise<DoneRun[]> {
    const { world } = this.#deps;
    const runs = await doneRuns(world, job, record);
    if (record.archive !== undefined) return runs;
    // Archived meanwhile: then the keys were perhaps gone already when they were read.
    const now = (await findJob(this.#deps, { pipeline, job })).kept.record;
    return now.archive === undefined ? runs : doneRuns(world, job, now);
  }

  async #read(request: { readonly pipeline: string; readonly job: string }): Promise<JobDatums> {
    const { world } = this.#deps;
    const { id, kept } = await findJob(this.#deps, request);
    const { record } = kept;
    // Claims first: a datum that is committed meanwhile is then seen as done, never as waiting.
    const held = record.archive === undefined ? await heldIntervals(world, id) : [];
    const tried = record.archive === undefined ? await openTries(world, id) : new Map();
    const plan =
      record.plan === undefined ? undefined : await getMessage(world.store, store.PlanManifestSchema, record.plan);
    const runs = await this.#runs(request.pipeline, id, kept);
    const running = this.#running(request.pipeline, id);
    const job = { pipeline: request.pipeline, job: id, count: Number(record.datums), isOver: isTerminal(record.state) };
    return { ...job, plan, runs, held, tried, running };
  }

  /** By the last beats of their workers: at most one a slot. */
  #running(pipeline: string, job: string): Map<number, RunningDatum> {
    const { world, owners } = this.#deps;
    const epochMs = world.clock.wall() - world.clock.now();
    const claims = owners.live(pipeline, job)?.process?.claims ?? [];
    return new Map(
      claims.flatMap(({ running }) =>
        running.map(({ index, sinceMs, progress = "" }) => [
          index,
          { startedMs: Math.floor(epochMs + sinceMs), progress },
        ]),
      ),
    );
  }
}

interface FollowAsked {
  readonly pipeline: string;
  readonly id: string;
  readonly kept: KeptJob;
  readonly filter: LogFilter;
  readonly asked: LogsAsked;
}

/** Messages of lines. */
async function* batches(lines: AsyncIterable<Telling> | Iterable<DatumLine>) {
  let batch: ReturnType<typeof lineView>[] = [];
  let bytes = 0;
  for await (const line of lines) {
    if (typeof line === "object") {
      batch.push(lineView(line));
      bytes += line.line.text.length + LINE_OVERHEAD;
      if (batch.length < LINES_PER_MESSAGE && bytes < MESSAGE_BYTES_MAX) continue;
    }
    if (batch.length === 0 && line !== "alive") continue;
    yield { lines: batch };
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield { lines: batch };
}

const NO_STATES: ReadonlySet<api.DatumState> = new Set();

async function heldIntervals({ etcd, keys }: { etcd: Etcd; keys: Keys }, job: string): Promise<HeldInterval[]> {
  const { kvs } = await etcd.list(keys.claims(job, "process"));
  return kvs.map((kv) => {
    const { worker, start, end } = readRecord(state.ClaimRecordSchema, kv).record;
    return { worker, start: Number(start), end: Number(end) };
  });
}

async function openTries({ etcd, keys }: { etcd: Etcd; keys: Keys }, job: string): Promise<Map<number, OpenTries>> {
  const { kvs } = await etcd.list(keys.failures(job, "process"));
  const all = new Map<number, OpenTries>();
  for (const kv of kvs) {
    const at = keys.parse(kv.key);
    const { tries, lostWorkers } = readRecord(state.FailureRecordSchema, kv).record;
    if (at?.of === "failure") all.set(at.index, { tries, losses: lostWorkers.length });
  }
  return all;
}

async function firstOf(datums: AsyncIterable<DatumSeen>): Promise<DatumSeen | undefined> {
  for await (const datum of datums) return datum;
  return undefined;
}

function lineView({ datum, worker, line }: DatumLine) {
  const { time, attempt, stream, text } = line;
  return {
    $typeName: "sheaf.api.v1.JobLogLine" as const,
    datum: BigInt(datum),
    attempt,
    stream,
    worker,
    text,
    ...(time && { time }),
  };
}
