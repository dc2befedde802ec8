// Pools with a place for workers where nothing runs, a dispatcher that does what the test says, and a real etcd.

import assert from "node:assert/strict";
import { state } from "@sheaf/proto";
import type { Provisioner, WorkerExit, WorkerForm, WorkerHandle, WorkerSpec } from "@sheaf/provision";
import { resourceExhausted, systemClock, testLogger, unavailable } from "@sheaf/runtime";
import type { TestCluster, TestMaster } from "../master.test-kit.ts";
import { Mirror } from "../mirror/mirror.ts";
import { limitOf } from "./limit.ts";
import { Pools } from "./pools.ts";

/** A place for workers where nothing runs. */
export class FakeProvisioner implements Provisioner {
  readonly workers = new Map<string, WorkerHandle & { readonly spec: WorkerSpec }>();
  readonly #listeners = new Set<(exit: WorkerExit) => void>();
  #changed = Promise.withResolvers<void>();
  created = 0;
  broken = false;
  lists = 0;
  /** Nothing comes of a creation for this pool. */
  hung = "";

  /** Why it cannot be asked. */
  away: string | undefined;

  async list() {
    this.lists++;
    if (this.away !== undefined) throw unavailable("AWAY", this.away);
    return [...this.workers.values()];
  }

  async create(pool: string, spec: WorkerSpec): Promise<void> {
    this.created++;
    if (pool === this.hung) return new Promise(() => {});
    if (this.broken) throw resourceExhausted("NO_ROOM", "the machine has no room");
    this.workers.set(spec.id, {
      id: spec.id,
      pool,
      state: "running",
      createdAt: Math.floor(systemClock.wall()),
      shape: this.shapeOf(spec),
      trouble: undefined,
      spec,
    });
    this.#tell();
  }

  async remove(id: string): Promise<void> {
    this.end(id, { asked: true });
  }

  /** The process of a worker ends. */
  end(id: string, fields: Partial<WorkerExit> = {}): void {
    const worker = this.workers.get(id);
    if (!this.workers.delete(id) || worker === undefined) return;
    const exit = {
      id,
      pool: worker.pool,
      asked: false,
      code: 0,
      signal: undefined,
      logTail: "",
      why: undefined,
      taken: false,
      ...fields,
    };
    for (const listener of this.#listeners) listener(exit);
    this.#tell();
  }

  /** It seems to have been created that long ago. */
  age(id: string, ms: number): void {
    const worker = this.workers.get(id) ?? assert.fail();
    this.workers.set(id, { ...worker, createdAt: worker.createdAt - ms });
  }

  of(pool: string): WorkerHandle[] {
    return [...this.workers.values()].filter((worker) => worker.pool === pool);
  }

  /** Resolves when the pool has so many. */
  async has(pool: string, count: number): Promise<string[]> {
    while (this.of(pool).length !== count) await this.#changed.promise;
    return this.of(pool).map((worker) => worker.id);
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  readonly #onChange = new Set<() => void>();
  #nodes = 1;

  nodes() {
    return this.#nodes;
  }

  /** Only the image counts here. */
  shapeOf({ needs }: WorkerForm): string {
    return needs.image;
  }

  onChange(listener: () => void) {
    this.#onChange.add(listener);
    return () => this.#onChange.delete(listener);
  }

  /** The place says something new of a worker. */
  say(id: string, news: Partial<WorkerHandle>): void {
    const worker = this.workers.get(id) ?? assert.fail();
    this.workers.set(id, { ...worker, ...news });
    for (const listener of this.#onChange) listener();
  }

  /** Nodes come, or go. */
  resize(nodes: number): void {
    this.#nodes = nodes;
    for (const listener of this.#onChange) listener();
  }

  onExit(listener: (exit: WorkerExit) => void) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close() {}
}

export async function begun(
  cluster: TestCluster,
  place = new FakeProvisioner(),
  workersMax = 1_000,
  own = cluster.etcd,
) {
  const master = await cluster.master({ etcd: own });
  const { world } = master;
  const mergers = new Mirror({
    etcd: world.etcd,
    log: testLogger(),
    prefix: world.keys.mergers(),
    schema: state.ReplicaRecordSchema,
  });
  await mergers.start();
  const pools = new Pools({
    world,
    provisioner: place,
    dispatcher: master.dispatcher,
    owners: master.owners,
    pipelines: master.pipelinesMirror,
    jobs: master.jobsMirror,
    mergers,
    limit: (spec) => limitOf(spec, place.nodes()),
    workersMax,
    addresses: () => ({ masters: ["127.0.0.1:1"], mergers: ["127.0.0.1:2"] }),
    changed: () => {},
  });
  await pools.start();
  return { master, place, pools, [Symbol.asyncDispose]: () => pools.stop().then(() => mergers.stop()) };
}

export async function piped(master: TestMaster, name: string, parts = {}) {
  await master.createRepo(`${name}-in`);
  await master.createPipeline(name, `${name}-in`, parts);
}

/** Waits until the check passes; at most 10 s. */
export async function soon(check: () => void): Promise<void> {
  const end = systemClock.now() + 10_000;
  for (;;) {
    try {
      return check();
    } catch (error) {
      if (systemClock.now() > end) throw error;
      await systemClock.sleep(5);
    }
  }
}
