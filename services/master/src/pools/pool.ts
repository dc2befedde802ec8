// One pool: what is remembered of its workers between two looks, and how what was decided is applied.

import type { ConnectedWorker, Dispatcher } from "@sheaf/ledger";
import {
  NO_NEEDS,
  type Provisioner,
  type WorkerExit,
  type WorkerForm,
  type WorkerHandle,
  type WorkerNeeds,
} from "@sheaf/provision";
import { messageOf } from "@sheaf/runtime";
import { type AnnounceDeps, announce } from "./announce.ts";
import type { PoolStep, PoolView, WorkerView } from "./decide.ts";
import { type Demand, NO_DEMAND } from "./demand.ts";
import { afterExit, describeExit, type Failures } from "./failures.ts";
import type { PoolStatus } from "./status.ts";

export interface Addresses {
  readonly masters: readonly string[];
  readonly mergers: readonly string[];
}

/** What the pool shall be. */
export interface Wanted {
  /** The most workers that it may have; 0: none. */
  readonly limit: number;
  readonly autoscaling: boolean;
  /** Commands that each runs at a time. */
  readonly slots: number;
  readonly needs: WorkerNeeds;
  readonly demand: Demand;
  /** Since when it is this master's to say: no worker can have connected before. Milliseconds since 1970. */
  readonly sinceMs: number;
}

/** The pool of a pipeline that is gone, or stopped. */
export const NOBODY: Wanted = {
  limit: 0,
  autoscaling: false,
  slots: 1,
  needs: NO_NEEDS,
  demand: NO_DEMAND,
  sinceMs: 0,
};

/** What there is, looked at once for all pools. */
export interface Found {
  /** Processes of this master. */
  readonly here: readonly WorkerHandle[];
  readonly sessions: readonly ConnectedWorker[];
  /** Workers whose key stands in etcd: they are on their way here (P5). */
  readonly expected: readonly string[];
}

export interface PoolDeps extends AnnounceDeps {
  readonly provisioner: Pick<Provisioner, "create" | "remove" | "shapeOf">;
  readonly dispatcher: Pick<Dispatcher, "drainWorker" | "workerExited">;
  /** There is something to look at. */
  readonly wake: () => void;
  /** What `status` says is new. */
  readonly changed: (pool: string) => void;
}

/** How long a worker that is ended by force has for its last words. */
const GRACE_MS = 5_000;
const WORKER_ID_BYTES = 16;
/** Workers of a pool that are started at the same time. */
const STARTS_MAX = 8;

const NO_STATUS: PoolStatus = { wanted: 0, running: 0, ready: 0, draining: 0, limit: 0, share: 0, reason: "" };

/** What was seen of a worker last. */
interface Seen {
  /** Since when it holds nothing, as far as was seen. */
  readonly idleMs: number;
  readonly given: number;
  readonly connected: boolean;
  /** When it was created, by its process; undefined: it runs elsewhere. */
  readonly createdMs: number | undefined;
}

export class Pool {
  readonly name: string;
  readonly #deps: PoolDeps;
  /** When each worker was told to go. */
  readonly #told = new Map<string, number>();
  readonly #seen = new Map<string, Seen>();
  /** When the creation of those began that were not listed yet. */
  readonly #starting = new Map<string, number>();
  /** Those that are known to have ended, whatever their key says. Empty as soon as nobody is expected. */
  readonly #ended = new Set<string>();
  #failures: Failures | null = null;
  #form: WorkerForm = NOBODY;
  #status = NO_STATUS;
  #doing = "";
  #failing: string | undefined;
  #view: PoolView | undefined;

  constructor(deps: PoolDeps, name: string) {
    this.#deps = deps;
    this.name = name;
  }

  get status(): PoolStatus {
    return this.#status;
  }

  /** What is being done, for people; empty when all is as it shall be. */
  get doing(): string {
    return this.#doing;
  }

  get failing(): string | undefined {
    return this.#failing;
  }

  /** Processes and sessions, those that leave among them. */
  get size(): number {
    return this.#view?.workers.length ?? 0;
  }

  /** No worker of it lives, and none is wanted. */
  get empty(): boolean {
    return this.#view?.limit === 0 && this.size === 0;
  }

  exited(exit: WorkerExit): void {
    const nowMs = this.#nowMs();
    const livedMs = nowMs - (this.#seen.get(exit.id)?.createdMs ?? this.#starting.get(exit.id) ?? 0);
    this.#starting.delete(exit.id);
    this.#seen.delete(exit.id);
    this.#ended.add(exit.id);
    const told = this.#told.delete(exit.id);
    if (exit.asked || told) return;
    this.#deps.dispatcher.workerExited(this.name, exit.id, { isLoss: !exit.taken }); // L9: it is gone for certain
    const why = describeExit(exit);
    this.#failures = afterExit(this.#failures, livedMs, why, nowMs);
    this.#deps.world.log.warn({ pool: this.name, worker: exit.id, livedMs }, `a worker ended: ${why}`);
  }

  /** The worker shall go. Its deadline counts from when it was told first. */
  drain(id: string): void {
    const { dispatcher, wake } = this.#deps;
    if (!this.#told.has(id)) this.#told.set(id, this.#nowMs());
    dispatcher.drainWorker(this.name, id);
    wake(); // what was told has deadlines of its own
  }

  /** Takes in what there is. */
  look(wanted: Wanted, found: Found): PoolView {
    const { limit, autoscaling, demand, slots } = wanted;
    const before = this.#failures === null ? null : this.#connected();
    const workers = this.#workers(wanted, found);
    const isNew = ({ id, connected, leaving }: WorkerView) => connected && !leaving && !before?.has(id);
    if (before !== null && workers.some(isNew)) this.#failures = null; // P2
    // One that was told to go and has a new session since: that does not know of it.
    for (const { worker, draining } of found.sessions) {
      if (!draining && this.#told.has(worker)) this.#deps.dispatcher.drainWorker(this.name, worker);
    }
    this.#form = { slots, needs: wanted.needs };
    this.#view = { limit, autoscaling, demand, workers, failures: this.#failures, nowMs: this.#nowMs() };
    return this.#view;
  }

  /** Does what was decided by the last look. Without merge replicas nobody is started, who would not know where to go. */
  take(step: PoolStep, known: Addresses): void {
    const blind = step.create > 0 && known.mergers.length === 0;
    const applied = blind
      ? { ...step, create: 0, doing: "waiting for a merge replica, to tell workers where it is" }
      : step;
    this.#tell(applied);
    this.#apply(applied, known);
  }

  #workers({ sinceMs, slots, needs, limit }: Wanted, { here, sessions, expected }: Found): WorkerView[] {
    const byId = new Map(sessions.map((each) => [each.worker, each]));
    const known = new Map(here.map((each) => [each.id, each]));
    for (const id of known.keys()) this.#starting.delete(id);
    if (expected.length === 0) this.#ended.clear();
    const coming = expected.filter((id) => !this.#ended.has(id));
    const shape = limit === 0 ? undefined : this.#shapeOf({ slots, needs });
    const ids = new Set([...known.keys(), ...this.#starting.keys(), ...byId.keys(), ...coming]);
    for (const id of this.#told.keys()) if (!ids.has(id)) this.#told.delete(id);
    for (const id of this.#seen.keys()) if (!ids.has(id)) this.#seen.delete(id);
    return [...ids].map((id) => {
      const [handle, session] = [known.get(id), byId.get(id)];
      // The time to connect begins when it runs: it may wait long for a node, or for an image.
      const isWaiting = handle?.state === "starting";
      const createdMs = isWaiting ? this.#nowMs() : (handle?.createdAt ?? this.#starting.get(id));
      const isStopping = handle?.state === "stopping";
      const isOfOtherShape = handle !== undefined && shape !== undefined && handle.shape !== shape;
      const isLost = session === undefined && handle?.state === "unheard";
      const bornMs = Math.max(createdMs ?? 0, sinceMs);
      return {
        id,
        ours: createdMs !== undefined,
        leaving: isStopping || this.#told.has(id),
        toldMs: isStopping ? undefined : this.#told.get(id),
        connected: session !== undefined,
        outdated: isOfOtherShape || isLost || (session !== undefined && session.slots !== slots),
        trouble: handle?.trouble,
        claims: (session?.claims ?? 0) + (session?.claimsElsewhere ?? 0),
        idleMs: this.#idleSince(id, session, createdMs, bornMs),
        sinceMs: bornMs,
      };
    });
  }

  /** It is idle since it was seen to be, if it was given nothing in between. */
  #idleSince(id: string, session: ConnectedWorker | undefined, createdMs: number | undefined, bornMs: number): number {
    const seen = this.#seen.get(id);
    const given = session?.given ?? 0;
    const connected = session !== undefined;
    const isIdle = session === undefined || session.claims + session.claimsElsewhere === 0;
    const stays = seen !== undefined && isIdle && seen.given === given && seen.connected === connected;
    const idleMs = stays ? seen.idleMs : seen === undefined && !connected ? bornMs : this.#nowMs();
    this.#seen.set(id, { idleMs, given, connected, createdMs });
    return idleMs;
  }

  /** Those that were connected when they were last looked at. */
  #connected(): Set<string> {
    return new Set([...this.#seen].flatMap(([id, { connected }]) => (connected ? [id] : [])));
  }

  #apply({ create, drain, remove }: PoolStep, known: Addresses): void {
    const { provisioner, world, wake } = this.#deps;
    for (const id of drain) this.drain(id);
    for (const id of remove) {
      // Not waited for: one that does not go must not hold up the others.
      void provisioner
        .remove(id, { graceMs: GRACE_MS })
        .catch((error) => world.log.warn({ err: error, worker: id }, `cannot end a worker: ${messageOf(error)}`))
        .finally(() => {
          this.#starting.delete(id);
          wake();
        });
    }
    if (create > 0) void this.#create(create, known);
  }

  /** Not waited for either. They count as soon as this is called; what fails in one go is one young death. */
  async #create(count: number, known: Addresses): Promise<void> {
    const ids = Array.from({ length: count }, () =>
      Buffer.from(this.#deps.world.random.bytes(WORKER_ID_BYTES)).toString("hex"),
    );
    for (const id of ids) this.#starting.set(id, this.#nowMs());
    for (let at = 0; at < ids.length; at += STARTS_MAX) {
      if (await this.#startSome(ids.slice(at, at + STARTS_MAX), known)) continue;
      for (const id of ids.slice(at)) this.#starting.delete(id);
      break;
    }
    this.#deps.wake();
  }

  /** False: no others shall be started now. */
  async #startSome(ids: readonly string[], known: Addresses): Promise<boolean> {
    const { provisioner, world } = this.#deps;
    try {
      await announce(this.#deps, this.name, ids);
      const spec = { ...this.#form, ...known, store: world.store.url };
      const started = await Promise.allSettled(ids.map((id) => provisioner.create(this.name, { id, ...spec })));
      const failed = started.find((each) => each.status === "rejected");
      if (failed === undefined) return true;
      throw failed.reason;
    } catch (error) {
      this.#failures = afterExit(this.#failures, 0, messageOf(error), this.#nowMs());
      world.log.warn({ err: error, pool: this.name }, `cannot start a worker: ${messageOf(error)}`);
      return false;
    }
  }

  /** Undefined: it cannot be made at all; who tries is told why. */
  #shapeOf(form: WorkerForm): string | undefined {
    try {
      return this.#deps.provisioner.shapeOf(form);
    } catch {
      return undefined;
    }
  }

  /** As it is when the step is taken. */
  #tell({ wanted, share, create, drain, remove, why, doing, failing }: PoolStep): void {
    const { workers = [], limit = 0 } = this.#view ?? {};
    const go = new Set([...drain, ...remove]);
    const staying = workers.filter(({ id, leaving }) => !leaving && !go.has(id));
    const ready = staying.filter(({ connected }) => connected).length;
    const counts = { running: staying.length + create, ready, draining: workers.length - staying.length };
    this.#status = { wanted, ...counts, limit, share: Math.min(share, limit), reason: why };
    if (this.#doing === doing && this.#failing === failing) return;
    this.#doing = doing;
    this.#failing = failing;
    this.#deps.changed(this.name);
  }

  #nowMs(): number {
    return Math.floor(this.#deps.world.clock.wall());
  }
}
