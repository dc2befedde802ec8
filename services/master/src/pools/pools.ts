// A pool for every pipeline, and for workers that were left behind by one that is gone. Each has a loop of its own, so that one
// bad pipeline never stops the others.

import type { state } from "@sheaf/proto";
import type { Component } from "@sheaf/runtime";
import type { Mirror } from "../mirror/mirror.ts";
import type { Owners } from "../pipelines/owners.ts";
import { specOf } from "../pipelines/spec.ts";
import { Pool, type PoolDeps, type Wanted } from "./pool.ts";

export interface PoolsDeps extends Omit<PoolDeps, "wanted" | "dispatcher"> {
  readonly dispatcher: PoolDeps["dispatcher"] & { onWorkers(callback: () => void): void };
  readonly pipelines: Mirror<state.PipelineRecord>;
  readonly mergers: Mirror<state.ReplicaRecord>;
  readonly owners: Pick<Owners, "owns" | "onOwned">;
}

export class Pools implements Component {
  readonly #deps: PoolsDeps;
  readonly #pools = new Map<string, Pool>();
  /** Since when each pipeline that is owned here is, in milliseconds since 1970. */
  readonly #ownedMs = new Map<string, number>();
  #unlisten: (() => void) | undefined;
  #stopped = false;

  constructor(deps: PoolsDeps) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    const { provisioner, pipelines, mergers, owners, dispatcher } = this.#deps;
    this.#unlisten = provisioner.onExit((exit) => this.#pools.get(exit.pool)?.exited(exit));
    pipelines.onChange((key) => this.#wake(this.#nameOf(key)));
    owners.onOwned((pipeline) => this.#noteOwned(pipeline));
    mergers.onChange(() => this.#wakeAll());
    dispatcher.onWorkers(() => this.#wakeAll());
    for (const { key } of pipelines.values()) this.#noteOwned(this.#nameOf(key));
    for (const { pool } of await provisioner.list()) this.#wake(pool);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unlisten?.();
    await Promise.all([...this.#pools.values()].map((pool) => pool.stop()));
  }

  /** What the pool of a pipeline is doing, for people; empty when all is as it shall be. */
  reason(pipeline: string): string {
    return this.#pools.get(pipeline)?.reason ?? "";
  }

  failing(pipeline: string): string | undefined {
    return this.#pools.get(pipeline)?.failing;
  }

  #noteOwned(pipeline: string | undefined): void {
    if (pipeline === undefined) return;
    if (!this.#deps.owners.owns(pipeline)) this.#ownedMs.delete(pipeline);
    else if (!this.#ownedMs.has(pipeline)) this.#ownedMs.set(pipeline, Math.floor(this.#deps.world.clock.wall()));
    this.#wake(pipeline);
  }

  #wake(name: string | undefined): void {
    if (this.#stopped || name === undefined) return;
    const pool = this.#pools.get(name) ?? this.#begin(name);
    pool.wake();
  }

  #wakeAll(): void {
    if (this.#stopped) return;
    for (const [name, pool] of this.#pools) {
      if (pool.empty && !this.#deps.pipelines.get(this.#deps.world.keys.pipeline(name))) this.#pools.delete(name);
      else pool.wake();
    }
  }

  #begin(name: string): Pool {
    const pool = new Pool({ ...this.#deps, wanted: (each) => this.#wanted(each) }, name);
    this.#pools.set(name, pool);
    return pool;
  }

  async #wanted(name: string): Promise<Wanted | undefined> {
    const { pipelines, world } = this.#deps;
    const kept = pipelines.get(world.keys.pipeline(name));
    if (kept === undefined) return { workers: 0, slots: 1, sinceMs: 0 };
    // Whoever owns the pipeline sees its workers' sessions, and so can tell the living from the dead.
    const sinceMs = this.#ownedMs.get(name);
    if (sinceMs === undefined) return undefined;
    if (kept.record.stopped) return { workers: 0, slots: 1, sinceMs };
    const { parallelismSpec, transform } = await specOf(world.store, kept.record);
    // A spec of before there were slots has 0.
    return { workers: Number(parallelismSpec?.constant ?? 1n), slots: transform?.slots || 1, sinceMs };
  }

  #nameOf(key: string): string | undefined {
    const parsed = this.#deps.world.keys.parse(key);
    return parsed?.of === "pipeline" ? parsed.pipeline : undefined;
  }
}
