// The jobs of all pipelines, from a mirror of their records. Job ids sort by creation: the job "before" another is the one
// with the next smaller id.

import type { Kept } from "@sheaf/ledger";
import { state } from "@sheaf/proto";
import type { Component } from "@sheaf/runtime";
import type { World } from "../context.ts";
import { isTerminal } from "../jobs/states.ts";
import { Topic } from "../topic.ts";
import { Mirror } from "./mirror.ts";

export type KeptJob = Kept<state.JobRecord>;

export class Jobs implements Component {
  readonly mirror: Mirror<state.JobRecord>;
  /** By pipeline: one of its jobs has changed. */
  readonly ofPipeline = new Topic();
  readonly #keys: World["keys"];
  /** Ids of each pipeline, ascending. */
  readonly #ids = new Map<string, string[]>();
  /** Those that are not over, or whose ledgers are not archived. */
  readonly #open = new Map<string, Set<string>>();

  constructor({ etcd, keys, log }: World) {
    this.#keys = keys;
    this.mirror = new Mirror({ etcd, log, prefix: keys.allJobs(), schema: state.JobRecordSchema });
    this.mirror.onChange((key, kept) => this.#noted(key, kept));
  }

  start(): Promise<void> {
    return this.mirror.start();
  }

  stop(): Promise<void> {
    return this.mirror.stop();
  }

  get(pipeline: string, job: string): KeptJob | undefined {
    return this.mirror.get(this.#keys.job(pipeline, job));
  }

  /** Ids of the pipeline's jobs, oldest first. */
  ids(pipeline: string): readonly string[] {
    return this.#ids.get(pipeline) ?? [];
  }

  /** Pipelines that have jobs. */
  pipelines(): MapIterator<string> {
    return this.#ids.keys();
  }

  /** Ids of those that are not over, or not archived. */
  open(pipeline: string): ReadonlySet<string> {
    return this.#open.get(pipeline) ?? NONE;
  }

  newest(pipeline: string): KeptJob | undefined {
    const id = this.ids(pipeline).at(-1);
    return id === undefined ? undefined : this.get(pipeline, id);
  }

  /** The id of the job before this one. */
  before(pipeline: string, job: string): string | undefined {
    const ids = this.ids(pipeline);
    return ids[placeOf(ids, job) - 1];
  }

  #noted(key: string, kept: KeptJob | undefined): void {
    const parsed = this.#keys.parse(key);
    if (parsed?.of !== "job") return;
    const { pipeline, job } = parsed;
    this.#noteId(pipeline, job, kept !== undefined);
    this.#noteOpen(
      pipeline,
      job,
      kept !== undefined && !(isTerminal(kept.record.state) && kept.record.archive !== undefined),
    );
    this.ofPipeline.changed(pipeline);
  }

  #noteId(pipeline: string, job: string, exists: boolean): void {
    const ids = this.#ids.get(pipeline) ?? [];
    const at = placeOf(ids, job);
    const known = ids[at] === job;
    if (known !== exists) ids.splice(at, known ? 1 : 0, ...(exists ? [job] : []));
    if (ids.length === 0) this.#ids.delete(pipeline);
    else this.#ids.set(pipeline, ids);
  }

  #noteOpen(pipeline: string, job: string, isOpen: boolean): void {
    const open = this.#open.get(pipeline) ?? new Set();
    if (isOpen) open.add(job);
    else open.delete(job);
    if (open.size === 0) this.#open.delete(pipeline);
    else this.#open.set(pipeline, open);
  }
}

const NONE: ReadonlySet<string> = new Set();

/** Where the id stands, or would stand. New ids go to the end: looked at first. */
function placeOf(ids: readonly string[], id: string): number {
  let at = ids.length;
  while (at > 0 && (ids[at - 1] ?? "") >= id) at--;
  return at;
}
