// One owner loop for each pipeline that exists: this replica campaigns for all of them.

import type { Compare } from "@sheaf/etcd";
import type { Kept } from "@sheaf/ledger";
import type { state } from "@sheaf/proto";
import { type Component, unavailable } from "@sheaf/runtime";
import type { LiveJob } from "../jobs/live.ts";
import { PipelineOwner, type PipelineOwnerDeps } from "./pipeline-owner.ts";
import type { Term } from "./term.ts";

/** How long a call waits for this replica to own a pipeline that was just made. */
const OWNED_WITHIN_MS = 5_000;

interface Owned {
  readonly owner: PipelineOwner;
  /** Tells a pipeline from one of the same name that was deleted. */
  readonly uid: string;
}

export class Owners implements Component {
  readonly #deps: PipelineOwnerDeps;
  readonly #owners = new Map<string, Owned>();
  readonly #onOwned: ((pipeline: string) => void)[] = [];
  /** By name: the owner before it is still leaving. */
  readonly #leaving = new Map<string, Promise<void>>();
  #stopped = false;

  constructor(deps: PipelineOwnerDeps) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    const { pipelines } = this.#deps;
    pipelines.onChange((key, kept) => this.#noted(key, kept));
    for (const kept of pipelines.values()) this.#noted(kept.key, kept);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const name of [...this.#owners.keys()]) this.#leave(name);
    await Promise.all(this.#leaving.values());
  }

  /** The term of a pipeline that exists. UNAVAILABLE when this replica does not own it in time. */
  term(pipeline: string): Promise<Term> {
    const owned = this.#owners.get(pipeline);
    if (owned !== undefined) return owned.owner.term(OWNED_WITHIN_MS);
    throw unavailable("NOT_OWNER", `this master does not own pipeline "${pipeline}": try again`, { retryDelayMs: 500 });
  }

  /** Calls back when a pipeline is owned here, or not any more. */
  onOwned(callback: (pipeline: string) => void): void {
    this.#onOwned.push(callback);
  }

  /** Whether this replica owns the pipeline now. */
  owns(pipeline: string): boolean {
    return this.#owners.get(pipeline)?.owner.current !== undefined;
  }

  live(pipeline: string, job: string): LiveJob | undefined {
    return this.#owners.get(pipeline)?.owner.current?.live(job);
  }

  /** Holds while this replica owns the pipeline, for a transaction; undefined: it does not now. */
  guard(pipeline: string): readonly Compare[] | undefined {
    return this.#owners.get(pipeline)?.owner.current?.guard();
  }

  /** Stragglers of the pipeline that an idle worker would back up. */
  stragglers(pipeline: string): number {
    return this.#owners.get(pipeline)?.owner.current?.stragglers() ?? 0;
  }

  #noted(key: string, kept: Kept<state.PipelineRecord> | undefined): void {
    const parsed = this.#deps.world.keys.parse(key);
    if (parsed?.of !== "pipeline" || this.#stopped) return;
    const name = parsed.pipeline;
    const known = this.#owners.get(name);
    if (known !== undefined && known.uid !== kept?.record.uid) this.#leave(name);
    if (kept === undefined || this.#owners.has(name)) return;
    const left = this.#leaving.get(name);
    if (left === undefined) this.#begin(name, kept.record.uid);
    // The owner key of the pipeline that was deleted goes first.
    else void left.then(() => this.#noted(key, this.#deps.pipelines.get(key)));
  }

  #begin(name: string, uid: string): void {
    const changed = () => {
      for (const callback of this.#onOwned) callback(name);
    };
    this.#owners.set(name, { uid, owner: new PipelineOwner(this.#deps, name, changed) });
  }

  #leave(name: string): void {
    const owned = this.#owners.get(name);
    if (owned === undefined) return;
    this.#owners.delete(name);
    const { log } = this.#deps.world;
    const left = owned.owner
      .stop()
      .catch((error) => log.warn({ err: error, pipeline: name }, "cannot leave a pipeline cleanly"))
      .then(() => void this.#leaving.delete(name));
    this.#leaving.set(name, left);
  }
}
