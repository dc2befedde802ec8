// The loop of one pool: looks at what is there, decides, applies. Woken by whatever changes what it looks at.

import type { ConnectedWorker, Dispatcher } from "@sheaf/ledger";
import type { Provisioner, WorkerExit, WorkerHandle } from "@sheaf/provision";
import { messageOf } from "@sheaf/runtime";
import type { World } from "../context.ts";
import { WakeLoop } from "../wake-loop.ts";
import { afterExit, decide, type Failures, type PoolStep, type WorkerView } from "./decide.ts";

export interface Addresses {
  readonly masters: readonly string[];
  readonly mergers: readonly string[];
}

export interface Wanted {
  readonly workers: number;
  /** Commands that each runs at a time. */
  readonly slots: number;
  /** Since when it is this master's to say: no worker can have connected before. Milliseconds since 1970. */
  readonly sinceMs: number;
}

export interface PoolDeps {
  readonly world: World;
  readonly provisioner: Provisioner;
  readonly dispatcher: Pick<Dispatcher, "workers" | "drainWorker" | "workerExited">;
  /** What the pool shall be; undefined: not this master's to say, now. */
  readonly wanted: (pool: string) => Promise<Wanted | undefined>;
  /** Where workers find masters and merge replicas. */
  readonly addresses: () => Addresses;
  readonly changed: (pool: string) => void;
}

/** How long a worker that is ended by force has for its last words. */
const GRACE_MS = 5_000;
const WORKER_ID_BYTES = 16;
/** The keys of workers' sessions outlive their owner by the TTL of a session's lease, 15 s, and no longer. */
const EXPECTED_MS_MAX = 20_000;

export class Pool {
  readonly name: string;
  readonly #deps: PoolDeps;
  readonly #loop: WakeLoop;
  /** When each worker was told to go. */
  readonly #told = new Map<string, number>();
  /** When each was created: the end of one says not how long it lived. */
  readonly #createdMs = new Map<string, number>();
  #failures: Failures | null = null;
  #reason = "";
  #failing: string | undefined;
  #empty = false;

  constructor(deps: PoolDeps, name: string) {
    this.#deps = deps;
    this.name = name;
    const { clock, random, log } = deps.world;
    this.#loop = new WakeLoop({ name: `pool ${name}`, clock, random, log, step: () => this.#step() });
  }

  /** What is being done, for people; empty when all is as it shall be. */
  get reason(): string {
    return this.#reason;
  }

  get failing(): string | undefined {
    return this.#failing;
  }

  /** No worker of it lives, and none is wanted. */
  get empty(): boolean {
    return this.#empty;
  }

  wake(): void {
    this.#loop.wake();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  exited(exit: WorkerExit): void {
    const nowMs = this.#nowMs();
    const livedMs = nowMs - (this.#createdMs.get(exit.id) ?? 0);
    this.#createdMs.delete(exit.id);
    const told = this.#told.delete(exit.id);
    if (!exit.asked && !told) {
      this.#deps.dispatcher.workerExited(this.name, exit.id); // L9: it is gone for certain
      const why = describeExit(exit);
      this.#failures = afterExit(this.#failures, livedMs, why, nowMs);
      this.#deps.world.log.warn({ pool: this.name, worker: exit.id, livedMs }, `a worker ended: ${why}`);
    }
    this.wake();
  }

  async #step(): Promise<number | undefined> {
    const wanted = await this.#deps.wanted(this.name);
    if (wanted === undefined) return undefined;
    const here = (await this.#deps.provisioner.list()).filter((worker) => worker.pool === this.name);
    const sessions = new Map(this.#deps.dispatcher.workers(this.name).map((each) => [each.worker, each]));
    const there = new Set([...here.map(({ id }) => id), ...sessions.keys()]);
    const expected = there.size < wanted.workers ? await this.#expected(wanted.sinceMs) : [];
    const workers = this.#views(here, sessions, expected, wanted);
    if (workers.some((worker) => worker.connected && !worker.leaving)) this.#failures = null; // P2
    const nowMs = this.#nowMs();
    const step = decide({ wanted: wanted.workers, workers, failures: this.#failures, nowMs });
    this.#empty = wanted.workers === 0 && here.length === 0;
    const known = this.#deps.addresses();
    const blind = step.create > 0 && known.mergers.length === 0;
    this.#tell(blind ? "waiting for a merge replica, to tell workers where it is" : step.reason, step.failing);
    await this.#apply(blind ? { ...step, create: 0 } : step, known, wanted.slots);
    return step.atMs === undefined ? undefined : Math.max(0, step.atMs - nowMs);
  }

  /** Workers whose session with the last owner still has its key: they are on their way here (P5). */
  async #expected(sinceMs: number): Promise<string[]> {
    if (this.#nowMs() > sinceMs + EXPECTED_MS_MAX) return [];
    const { etcd, keys } = this.#deps.world;
    const { kvs } = await etcd.list(keys.workers(this.name), { keysOnly: true });
    return kvs.flatMap(({ key }) => {
      const parsed = keys.parse(key);
      return parsed?.of === "worker" ? [parsed.worker] : [];
    });
  }

  #views(
    here: readonly WorkerHandle[],
    sessions: ReadonlyMap<string, ConnectedWorker>,
    expected: readonly string[],
    { sinceMs, slots }: Wanted,
  ): WorkerView[] {
    const isOutdated = (session: ConnectedWorker | undefined) => session !== undefined && session.slots !== slots;
    const ours = here.map(({ id, state, createdAt }): WorkerView => {
      const session = sessions.get(id);
      this.#createdMs.set(id, createdAt);
      return {
        id,
        ours: true,
        leaving: state === "stopping" || this.#told.has(id),
        toldMs: state === "stopping" ? undefined : this.#told.get(id),
        connected: session !== undefined,
        outdated: isOutdated(session),
        claims: claimsOf(session),
        sinceMs: Math.max(createdAt, sinceMs),
      };
    });
    const known = new Set(here.map(({ id }) => id));
    const others = new Set([...sessions.keys(), ...expected].filter((id) => !known.has(id)));
    for (const id of this.#told.keys()) if (!known.has(id) && !others.has(id)) this.#told.delete(id);
    const elsewhere = [...others].map((id): WorkerView => {
      const [session, toldMs] = [sessions.get(id), this.#told.get(id)];
      const [connected, claims] = [session !== undefined, claimsOf(session)];
      const outdated = isOutdated(session);
      return { id, ours: false, leaving: toldMs !== undefined, toldMs, connected, outdated, claims, sinceMs };
    });
    return [...ours, ...elsewhere];
  }

  async #apply({ create, drain, remove }: PoolStep, known: Addresses, slots: number): Promise<void> {
    const { provisioner, dispatcher, world } = this.#deps;
    for (const id of drain) {
      this.#told.set(id, this.#nowMs());
      dispatcher.drainWorker(this.name, id);
    }
    for (const id of remove) {
      // Not waited for: one that does not go must not hold up the others.
      void provisioner
        .remove(id, { graceMs: GRACE_MS })
        .catch((error) => world.log.warn({ err: error, worker: id }, `cannot end a worker: ${messageOf(error)}`))
        .finally(() => this.wake());
    }
    let made = 0;
    while (made < create && (await this.#create(known, slots))) made++;
    // What was told and made has deadlines of its own.
    if (drain.length + made > 0) this.wake();
  }

  /** False: it could not be started; that counts as a young death. */
  async #create(known: Addresses, slots: number): Promise<boolean> {
    const { provisioner, world } = this.#deps;
    const id = Buffer.from(world.random.bytes(WORKER_ID_BYTES)).toString("hex");
    try {
      await provisioner.create(this.name, { id, slots, ...known, store: world.store.url });
      this.#createdMs.set(id, this.#nowMs());
      return true;
    } catch (error) {
      this.#failures = afterExit(this.#failures, 0, messageOf(error), this.#nowMs());
      world.log.warn({ err: error, pool: this.name }, `cannot start a worker: ${messageOf(error)}`);
      this.wake();
      return false;
    }
  }

  #tell(reason: string, failing: string | undefined): void {
    if (this.#reason === reason && this.#failing === failing) return;
    this.#reason = reason;
    this.#failing = failing;
    this.#deps.changed(this.name);
  }

  #nowMs(): number {
    return Math.floor(this.#deps.world.clock.wall());
  }
}

function claimsOf(session: ConnectedWorker | undefined): number {
  return (session?.claims ?? 0) + (session?.claimsElsewhere ?? 0);
}

/** "exit code 2: the port is in use": code, and the last line that it wrote. */
function describeExit({ code, signal, logTail }: WorkerExit): string {
  const how = code === undefined ? `ended by ${signal ?? "an unknown cause"}` : `exit code ${code}`;
  const lines = logTail.split("\n").filter((line) => line.trim() !== "");
  const last = (lines.at(-1) ?? "").replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 300);
  return last === "" ? how : `${how}: ${last}`;
}
