// The loop that scales: one pass looks at all pools at once, shares the cluster among them, decides each, and sets going what was
// decided. It is run when something happens, and when time alone changes something; never else.
//
// Q1. A pass takes time with pipelines and workers, not with datums, and asks etcd nothing.
// Q2. It waits for nobody but the place that lists its workers: one bad pipeline never stops the others.
// Q3. Passes take at most a tenth of the time, however much happens.
// Q4. What was decided is written down nowhere but in the keys of workers that are being started: a master that takes a pipeline finds
//     its jobs in etcd, and its workers by their sessions and keys.

import type { Dispatcher } from "@sheaf/ledger";
import type { api, state } from "@sheaf/proto";
import type { Provisioner, WorkerHandle } from "@sheaf/provision";
import { type Component, messageOf } from "@sheaf/runtime";
import type { World } from "../context.ts";
import type { Jobs } from "../mirror/jobs.ts";
import type { Mirror } from "../mirror/mirror.ts";
import type { Owners } from "../pipelines/owners.ts";
import { WakeLoop } from "../wake-loop.ts";
import { decideAll, type PoolView } from "./decide.ts";
import { type Demand, demandOf, type JobWork, workOf } from "./demand.ts";
import { Expected } from "./expected.ts";
import { type Addresses, NOBODY, Pool, type Wanted } from "./pool.ts";
import { PoolSpecs } from "./pool-specs.ts";
import { type Ask, share } from "./share.ts";
import type { PoolStatus } from "./status.ts";

export interface PoolsDeps {
  readonly world: World;
  readonly provisioner: Provisioner;
  readonly dispatcher: Pick<Dispatcher, "workers" | "drainWorker" | "workerExited" | "onWorkers" | "owner" | "replica">;
  readonly pipelines: Mirror<state.PipelineRecord>;
  readonly jobs: Jobs;
  readonly mergers: Mirror<state.ReplicaRecord>;
  readonly owners: Pick<Owners, "owns" | "onOwned" | "live" | "stragglers" | "guard">;
  /** Where workers find masters and merge replicas. */
  readonly addresses: () => Addresses;
  /** The most workers that a pipeline may have, by its spec alone. */
  readonly limit: (spec: api.ParallelismSpec | undefined) => number;
  /** The most workers of the whole cluster. */
  readonly workersMax: number;
  /** What is said of a pool is new. */
  readonly changed: (pool: string) => void;
}

/** Q3: passes pause for so many times what they take. */
const PAUSE_TIMES = 9;
/** So long a worker of an unknown pipeline is left alone: the news of a new pipeline may come after those of its workers. */
const ORPHAN_MS = 30_000;
/** How soon to look again for what is being read. */
const UNREAD_LOOK_MS = 1_000;

export class Pools implements Component {
  readonly #deps: PoolsDeps;
  readonly #pools = new Map<string, Pool>();
  readonly #loop: WakeLoop;
  readonly #expected: Expected;
  readonly #specs: PoolSpecs;
  readonly #unlisten: (() => void)[] = [];
  /** Since when each pipeline that is owned here is, in milliseconds since 1970. */
  readonly #ownedMs = new Map<string, number>();
  /** Reading of the clock. */
  #nextPassMs = 0;
  /** Why the place could not say which workers there are; undefined: it could. */
  #blind: string | undefined;

  constructor(deps: PoolsDeps) {
    this.#deps = deps;
    const { clock, random, log } = deps.world;
    this.#loop = new WakeLoop({ name: "scaling", clock, random, log, step: (signal) => this.#paced(signal) });
    this.#expected = new Expected(deps.world, () => this.#loop.wake());
    this.#specs = new PoolSpecs(deps.world, () => this.#loop.wake());
  }

  async start(): Promise<void> {
    const { provisioner, pipelines, jobs, mergers, owners, dispatcher } = this.#deps;
    const wake = () => this.#loop.wake();
    this.#unlisten.push(
      provisioner.onChange(wake),
      provisioner.onExit((exit) => {
        this.#pools.get(exit.pool)?.exited(exit);
        wake();
      }),
    );
    pipelines.onChange(wake);
    jobs.mirror.onChange(wake);
    mergers.onChange(wake);
    dispatcher.onWorkers(wake);
    owners.onOwned((pipeline) => this.#noteOwned(pipeline));
    for (const { key } of pipelines.values()) this.#noteOwned(this.#nameOf(key));
    wake();
  }

  async stop(): Promise<void> {
    for (const end of this.#unlisten) end();
    await this.#loop.stop();
  }

  /** Undefined: the pipeline is not this master's. */
  status(pipeline: string): PoolStatus | undefined {
    return this.#ownedMs.has(pipeline) ? this.#pools.get(pipeline)?.status : undefined;
  }

  /** What the pool of a pipeline is doing, for people; empty when all is as it shall be. */
  doing(pipeline: string): string {
    return this.#pools.get(pipeline)?.doing ?? "";
  }

  failing(pipeline: string): string | undefined {
    return this.#ownedMs.has(pipeline) && this.#blind !== undefined ? this.#blind : this.#pools.get(pipeline)?.failing;
  }

  /** Has a worker go, as if it were one too many (P3): another comes if the pool is to have one. False: it has no session here. */
  drainWorker(pipeline: string, worker: string): boolean {
    const isHere = this.#deps.dispatcher.workers(pipeline).some((each) => each.worker === worker);
    if (isHere) this.#pool(pipeline).drain(worker);
    return isHere;
  }

  #noteOwned(pipeline: string | undefined): void {
    if (pipeline === undefined) return;
    if (!this.#deps.owners.owns(pipeline)) this.#ownedMs.delete(pipeline);
    else if (!this.#ownedMs.has(pipeline)) this.#ownedMs.set(pipeline, this.#nowMs());
    this.#loop.wake();
  }

  /** Q3. */
  async #paced(stopped: AbortSignal): Promise<number | undefined> {
    const { clock } = this.#deps.world;
    const waitMs = this.#nextPassMs - clock.now();
    if (waitMs > 0) await clock.sleep(waitMs, stopped);
    const listed = await this.#list();
    const begun = clock.now(); // waiting for the place costs nobody anything
    const again = this.#pass(listed);
    this.#nextPassMs = clock.now() + PAUSE_TIMES * (clock.now() - begun);
    return again;
  }

  /** Answers in how many milliseconds to look again, whatever happens. */
  #pass(listed: readonly WorkerHandle[]): number | undefined {
    const { dispatcher, addresses } = this.#deps;
    const here = byPool(listed);
    const sessions = byPool(dispatcher.workers());
    const views = new Map<string, PoolView>();
    let isUnread = false;
    for (const name of new Set([...this.#ownedMs.keys(), ...here.keys(), ...this.#pools.keys()])) {
      if (this.#isTooNew(name, here.get(name) ?? [])) {
        isUnread = true;
        continue;
      }
      const wanted = this.#wanted(name);
      const expected = wanted === undefined ? [] : this.#expected.of(name, wanted.sinceMs);
      if (wanted === undefined || expected === undefined) isUnread ||= this.#ownedMs.has(name);
      else {
        const found = { here: here.get(name) ?? [], sessions: sessions.get(name) ?? [], expected };
        views.set(name, this.#pool(name).look(wanted, found));
      }
    }
    const known = addresses();
    let atMs = isUnread ? this.#nowMs() + UNREAD_LOOK_MS : Number.POSITIVE_INFINITY;
    for (const [name, step] of decideAll(views, this.#part())) {
      this.#pool(name).take(step, known);
      atMs = Math.min(atMs, step.atMs ?? Number.POSITIVE_INFINITY);
      this.#forgetIfGone(name);
    }
    return atMs === Number.POSITIVE_INFINITY ? undefined : Math.max(0, atMs - this.#nowMs());
  }

  /** Throws when the place does not say; then nothing can be decided, and each pipeline tells why. */
  async #list(): Promise<readonly WorkerHandle[]> {
    try {
      const workers = await this.#deps.provisioner.list();
      this.#blind = undefined;
      return workers;
    } catch (error) {
      this.#blind = messageOf(error);
      throw error;
    }
  }

  /** Several masters may see the workers of one place. */
  #isTooNew(name: string, here: readonly WorkerHandle[]): boolean {
    if (this.#pools.has(name) || this.#deps.pipelines.get(this.#deps.world.keys.pipeline(name)) !== undefined)
      return false;
    return here.some(({ createdAt }) => this.#nowMs() < createdAt + ORPHAN_MS);
  }

  #pool(name: string): Pool {
    const known = this.#pools.get(name);
    if (known !== undefined) return known;
    const pool = new Pool(
      { ...this.#deps, wake: () => this.#loop.wake(), guard: (each) => this.#deps.owners.guard(each) },
      name,
    );
    this.#pools.set(name, pool);
    return pool;
  }

  #forgetIfGone(name: string): void {
    const key = this.#deps.world.keys.pipeline(name);
    if (this.#pools.get(name)?.empty !== true || this.#deps.pipelines.get(key) !== undefined) return;
    this.#pools.delete(name);
    this.#specs.forget(key);
  }

  /** Undefined: not this master's to say, or its spec is not read yet. */
  #wanted(name: string): Wanted | undefined {
    const { pipelines, world, limit } = this.#deps;
    const kept = pipelines.get(world.keys.pipeline(name));
    if (kept === undefined) return NOBODY;
    // Whoever owns the pipeline sees its workers' sessions, and so can tell the living from the dead.
    const sinceMs = this.#ownedMs.get(name);
    if (sinceMs === undefined) return undefined;
    if (kept.record.stopped) return { ...NOBODY, sinceMs };
    const spec = this.#specs.of(kept);
    if (spec === undefined) return undefined;
    const { parallelism, autoscaling, slots, needs } = spec;
    return { limit: limit(parallelism), autoscaling, slots, needs, demand: this.#demand(name, slots), sinceMs };
  }

  #demand(name: string, slots: number): Demand {
    const { jobs, owners, world } = this.#deps;
    const works: JobWork[] = [];
    for (const id of jobs.open(name)) {
      const record = jobs.get(name, id)?.record;
      if (record === undefined) continue;
      const work = workOf({ id, record, live: owners.live(name, id) }, slots, world.clock.now());
      if (work !== undefined) works.push(work);
    }
    return demandOf(works, works.length === 0 ? 0 : owners.stragglers(name));
  }

  /**
   * What of the cluster's limit is this master's to give away. Where there are others, all masters find out the same, each for
   * itself, by what is in etcd: the pipelines that have work. What one of them does not use, the others may not use either.
   */
  #part(): number {
    const { pipelines, workersMax } = this.#deps;
    const names = [...pipelines.values()].flatMap(({ key }) => this.#nameOf(key) ?? []);
    const owned = names.filter((name) => this.#ownedMs.has(name));
    const others = names.filter((name) => !this.#ownedMs.has(name) && this.#isElsewhere(name));
    if (others.length === 0) return workersMax;
    const asks = [...owned, ...others].flatMap((name) => this.#publicAsk(name) ?? []);
    if (asks.reduce((sum, { need, keep }) => sum + need + keep, 0) <= workersMax) return workersMax;
    const shares = share(asks, workersMax);
    return [...shares].reduce((sum, [name, own]) => sum + (this.#ownedMs.has(name) ? own : 0), 0);
  }

  /** Another master owns it. What nobody owns gets no workers, and takes nothing from the others. */
  #isElsewhere(name: string): boolean {
    const { dispatcher } = this.#deps;
    const owner = dispatcher.owner(name);
    return owner !== undefined && owner.id !== dispatcher.replica;
  }

  /** What every master knows of a pipeline's wish. */
  #publicAsk(name: string): Ask | undefined {
    const { pipelines, world, jobs, limit } = this.#deps;
    const kept = pipelines.get(world.keys.pipeline(name));
    const spec = kept === undefined || kept.record.stopped ? undefined : this.#specs.of(kept);
    if (spec === undefined) return undefined;
    const most = limit(spec.parallelism);
    const [oldest = ""] = [...jobs.open(name)].sort();
    const stays = spec.autoscaling ? 0 : most;
    return { pipeline: name, oldest, need: oldest === "" ? 0 : most, keep: oldest === "" ? stays : 0 };
  }

  #nameOf(key: string): string | undefined {
    const parsed = this.#deps.world.keys.parse(key);
    return parsed?.of === "pipeline" ? parsed.pipeline : undefined;
  }

  #nowMs(): number {
    return Math.floor(this.#deps.world.clock.wall());
  }
}

function byPool<T extends { readonly pool: string }>(all: readonly T[]): Map<string, T[]> {
  const pools = new Map<string, T[]>();
  for (const each of all) {
    const own = pools.get(each.pool);
    if (own === undefined) pools.set(each.pool, [each]);
    else own.push(each);
  }
  return pools;
}
