// sheaf.api.v1.DatumService: datums of jobs, and what their commands wrote.

import type { Etcd, Keys } from "@sheaf/etcd";
import { getMessage } from "@sheaf/files";
import { readRecord } from "@sheaf/ledger";
import { type api, state, store } from "@sheaf/proto";
import type { Handlers } from "@sheaf/rpc";
import { failedPrecondition, notFound } from "@sheaf/runtime";
import type { World } from "../context.ts";
import {
  type DatumSeen,
  datumsFrom,
  type HeldInterval,
  type JobDatums,
  type OpenTries,
  type RunningDatum,
} from "../datums/datum-rows.ts";
import { doneRuns } from "../datums/done-runs.ts";
import { findDatum } from "../datums/find-datum.ts";
import { type DatumLine, lastLines, logLines } from "../datums/logs.ts";
import { checkNames, notRunning, running } from "../datums/running.ts";
import { isTerminal, stateName } from "../jobs/states.ts";
import type { Jobs } from "../mirror/jobs.ts";
import type { Owners } from "../pipelines/owners.ts";
import { findJob } from "./job-service.ts";
import { MESSAGE_BYTES_MAX } from "./limits.ts";
import { pageToken, readPage, tokenInvalid } from "./paging.ts";

export interface DatumServiceDeps {
  readonly world: World;
  readonly jobs: Jobs;
  readonly owners: Pick<Owners, "live" | "term">;
}

/** Rows that one call looks at, so that a filter over ten million datums answers in time; the next page goes on. */
const LOOKED_AT_MAX = 100_000;
const LINES_PER_MESSAGE = 1_000;
const LINE_OVERHEAD = 64;

export class DatumService implements Handlers<typeof api.DatumService> {
  readonly #deps: DatumServiceDeps;

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

  async *getLogs(request: api.GetLogsRequest) {
    const { store: objects } = this.#deps.world;
    const job = await this.#read(request);
    const index = request.datum === "" ? undefined : await findDatum(objects, job.plan, request.datum);
    const range = index === undefined ? { from: 0, to: job.count } : { from: index, to: index + 1 };
    const lines =
      request.tail > 0 ? await lastLines(objects, job.runs, range, request.tail) : logLines(objects, job.runs, range);
    let batch: ReturnType<typeof lineView>[] = [];
    let bytes = 0;
    for await (const line of lines) {
      const weight = line.line.text.length + LINE_OVERHEAD;
      if (batch.length === LINES_PER_MESSAGE || (batch.length > 0 && bytes + weight > MESSAGE_BYTES_MAX)) {
        yield { lines: batch };
        batch = [];
        bytes = 0;
      }
      batch.push(lineView(line));
      bytes += weight;
    }
    if (batch.length > 0) yield { lines: batch };
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
    let runs = await doneRuns(world, id, record);
    if (record.archive === undefined) {
      // Archived meanwhile: then the keys were perhaps gone already when they were read.
      const now = (await findJob(this.#deps, { pipeline: request.pipeline, job: id })).kept.record;
      if (now.archive !== undefined) runs = await doneRuns(world, id, now);
    }
    const running = this.#running(request.pipeline, id);
    return { pipeline: request.pipeline, job: id, count: Number(record.datums), plan, runs, held, tried, running };
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
  return { $typeName: "sheaf.api.v1.JobLogLine" as const, datum, attempt, stream, worker, text, ...(time && { time }) };
}
