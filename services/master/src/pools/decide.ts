// How many workers a pipeline's pool shall have, and which go. Pure: what waits, what runs and what is allowed in; what to do and why
// out.
//
// P1. Without autoscaling a pool has as many workers as its spec says. With it, as many as have work, and none when there is none:
//     more at once when there is more to do, fewer slowly. A worker goes when it had nothing to do for IDLE_MS, so that what comes
//     in the meantime finds it there, and a pool under a steady load does not change. Those that were told to go do not count.
// P2. A worker that dies is replaced at once. When workers die young the next ones wait, longer each time; the first that
//     lives, or that connects after that, ends it. So a command that does not start is tried for ever, at a pace that harms nobody. Those
//     that work meanwhile go on: only a pool that has none fails.
// P3. What is too much is drained by name: it gives back or commits what it holds, and goes by itself. Idle ones go first, those
//     that have been idle for longest before the others. It is ended by force when it holds nothing and still does not go, or is not
//     connected and so cannot be told; what holds something takes as long as that takes, or it would be run twice.
// P4. A worker that never connects is as good as dead: it is ended and replaced.
// P5. Workers that another master started count like this one's own, as soon as they are connected; and while they have
//     a key in etcd, of their start or of their session with the last owner, they are expected, so that a takeover starts nobody twice. They are drained like the
//     others, and ended by force by nobody but the master that started them.
// P6. A worker with another number of slots than the spec has now, or that was made in another way than one would be made now (another
//     image, other limits), counts as gone: it is drained, or ended when it is not connected, and another takes its place. So does one
//     that is not connected and of whose machine nothing is heard.
// P7. A pool never has more than its share of the cluster (share.ts), and starts nobody for whom the cluster has no room: workers
//     that were told to go take room until they are gone.
// P8. A worker of which the place says why it cannot start, or not go on, is left to the place, which goes on trying: it is not replaced,
//     as the next one would fare no better. While no worker is connected, what it says is why the pipeline cannot run.

import type { Demand } from "./demand.ts";
import { type Failures, failingOf, pausedUntil } from "./failures.ts";
import { type Ask, share } from "./share.ts";

/** How long a worker may have nothing to do before it goes. */
export const IDLE_MS = 4_000;
/** How soon to look again at work whose progress nobody tells. */
const LOOK_MS = 1_000;
/** How long a worker that was told to go and holds nothing may take. */
export const DRAIN_MS_MAX = 60_000;
export const CONNECT_MS_MAX = 60_000;

export interface WorkerView {
  readonly id: string;
  /** A process of this master; else it is connected here, or expected (P5). */
  readonly ours: boolean;
  /** It was told to go: by us before, or by whoever runs the place. */
  readonly leaving: boolean;
  /** When it was told, by this master; undefined: it was not, or not by us. Milliseconds since 1970. */
  readonly toldMs: number | undefined;
  /** It has a session with this master. */
  readonly connected: boolean;
  /** It has another number of slots, or was made in another way, than is wanted now; or it is lost with its machine (P6). */
  readonly outdated: boolean;
  /** Why it cannot start, or not go on; undefined: nothing is known to be wrong. */
  readonly trouble: string | undefined;
  /** Claims that it holds, at both owners. */
  readonly claims: number;
  /** Since when it holds none, as far as it was seen; means nothing while it holds one. Milliseconds since 1970. */
  readonly idleMs: number;
  /** Since when it could have connected: its creation, or when this master took the pipeline. Milliseconds since 1970. */
  readonly sinceMs: number;
}

export interface PoolView {
  /** The most workers that its spec allows; 0 when the pipeline is stopped or gone. */
  readonly limit: number;
  readonly autoscaling: boolean;
  readonly demand: Demand;
  readonly workers: readonly WorkerView[];
  readonly failures: Failures | null;
  readonly nowMs: number;
}

/** What the limit of the cluster leaves to a pool (P7). */
export interface Room {
  /** Workers that it may have. */
  readonly share: number;
  /** Processes that may be started. */
  readonly free: number;
}

export interface PoolStep {
  /** How many there shall be. */
  readonly wanted: number;
  /** What it may have of the cluster, as things are. */
  readonly share: number;
  readonly create: number;
  /** Told to finish and go. */
  readonly drain: readonly string[];
  /** Ended. */
  readonly remove: readonly string[];
  /** Look again at this time, whatever happens. */
  readonly atMs: number | undefined;
  /** What is done, for people; empty when all is as it shall be. */
  readonly doing: string;
  /** Why there shall be so many, for people. */
  readonly why: string;
  /** Why the pipeline cannot run; undefined: it can. */
  readonly failing: string | undefined;
}

/** Decides all pools of a cluster, or of a master's part of it, with at most so many processes. Who has waited longest comes first. */
export function decideAll(pools: ReadonlyMap<string, PoolView>, processesMax: number): Map<string, PoolStep> {
  const crews = new Map([...pools].map(([name, view]) => [name, crewOf(view)]));
  const asks = [...pools].map(([name, view]) => askOf(name, view, crews.get(name)));
  let free = [...pools.values()].reduce((left, { workers }) => left - workers.length, processesMax);
  const shares = share(asks, processesMax);
  const spare = [...shares.values()].reduce((left, own) => left - own, processesMax);
  const steps = new Map<string, PoolStep>();
  for (const [name, own] of shares) {
    const view = pools.get(name);
    if (view === undefined) continue;
    const step = decide(view, { share: own + spare, free: Math.max(0, free) }, crews.get(name));
    free -= step.create;
    steps.set(name, step);
  }
  return steps;
}

/** What the pool asks the cluster for. */
export function askOf(pipeline: string, view: PoolView, crew: Crew = crewOf(view)): Ask {
  const { limit, autoscaling, demand } = view;
  if (autoscaling) return { pipeline, oldest: demand.oldest, ...wishOf(view, crew) };
  // Workers that are there without work give way to those that have some (S4).
  const need = Math.min(limit, Math.max(demand.useful, crew.busy));
  return { pipeline, oldest: demand.oldest, need, keep: limit - need };
}

export function decide(view: PoolView, room: Room, crew: Crew = crewOf(view)): PoolStep {
  const { nowMs, failures } = view;
  const { staying, stale, lost, overdue } = crew;
  const { need, keep } = wishOf(view, crew);
  const wanted = Math.min(need + keep, room.share); // P7
  const excess = staying.length - wanted;
  const surplus = excess > 0 ? staying.toSorted(idleFirst).slice(0, excess) : []; // P1
  const missing = Math.max(0, Math.min(need, room.share) - staying.length - crew.expected);
  const waitUntilMs = missing > 0 ? pausedUntil(failures) : undefined; // P2
  const paused = waitUntilMs !== undefined && waitUntilMs > nowMs;
  const create = paused ? 0 : Math.min(missing, room.free);
  const atMs = Math.min(
    crew.atMs,
    paused ? waitUntilMs : Number.POSITIVE_INFINITY,
    view.autoscaling && view.demand.useful > 0 ? nowMs + LOOK_MS : Number.POSITIVE_INFINITY,
  );
  const held = paused ? `the next worker is started later: ${failures?.why}` : undefined;
  const failed = missing > 0 && failures !== null ? `the last worker was not to be had: ${failures.why}` : undefined;
  const lingering = Math.max(0, Math.min(staying.length, wanted) - need);
  return {
    wanted,
    share: room.share,
    create,
    drain: [...stale, ...surplus.filter(({ connected }) => connected)].map(({ id }) => id),
    remove: [...lost, ...overdue, ...surplus.filter(({ ours, connected }) => ours && !connected)].map(({ id }) => id),
    atMs: Number.isFinite(atMs) ? atMs : undefined,
    doing: doingOf(crew, { missing, create, wanted, held }),
    why: [whyOf(view, room, { need, lingering }), held ?? failed ?? ""].filter((text) => text !== "").join("; "),
    failing: view.limit > 0 && crew.ready === 0 ? (failingOf(failures) ?? crew.trouble) : undefined, // P2, P8
  };
}

/** P1: how many have work, and how many more may wait a while for some. */
function wishOf(
  { limit, autoscaling, demand }: PoolView,
  crew: Crew,
): { readonly need: number; readonly keep: number } {
  if (!autoscaling) return { need: limit, keep: 0 };
  const need = Math.min(limit, Math.max(demand.useful, crew.busy));
  // Of those beyond, the ones that have been idle for longest come first.
  const lingering = Math.max(0, crew.staying.length - need - crew.bored);
  return { need, keep: Math.min(lingering, limit - need) };
}

/** The workers of a pool, told apart in one go. */
interface Crew {
  /** Those that are here or on their way, and shall be. */
  readonly staying: WorkerView[];
  /** Of these: those that hold something, and those that have been idle for IDLE_MS. */
  busy: number;
  bored: number;
  /** Those of other masters that are not here yet (P5). */
  expected: number;
  /** Those that are not connected yet. */
  coming: number;
  ready: number;
  /** P8: how many are in trouble, and what one of them says. */
  troubled: number;
  trouble: string | undefined;
  /** P6: they work with another number of slots. */
  readonly stale: WorkerView[];
  /** P4: they never came. P6: nor need they. */
  readonly lost: WorkerView[];
  /** P3: they do not go. */
  readonly overdue: WorkerView[];
  /** When the first of them changes its place here by time alone. */
  atMs: number;
}

function crewOf({ workers, autoscaling, nowMs }: PoolView): Crew {
  const crew: Crew = {
    ...{ staying: [], busy: 0, bored: 0, expected: 0, coming: 0, ready: 0, troubled: 0, trouble: undefined },
    ...{ stale: [], lost: [], overdue: [], atMs: Number.POSITIVE_INFINITY },
  };
  const lookAt = (ms: number) => {
    if (ms > nowMs && ms < crew.atMs) crew.atMs = ms;
  };
  for (const worker of workers) {
    const { ours, connected, leaving, outdated, sinceMs, idleMs, trouble } = worker;
    if (leaving) {
      const dueMs = ours ? overdueAt(worker, nowMs) : undefined; // P5
      if (dueMs !== undefined && dueMs <= nowMs) crew.overdue.push(worker);
      else if (dueMs !== undefined) lookAt(dueMs);
      continue;
    }
    if (!connected) {
      crew.coming++;
      lookAt(ours ? sinceMs + CONNECT_MS_MAX : nowMs + LOOK_MS);
    }
    if (!connected && !ours) crew.expected++;
    else if (!connected && (outdated || (trouble === undefined && nowMs >= sinceMs + CONNECT_MS_MAX))) {
      crew.coming--;
      crew.lost.push(worker);
    } else if (outdated) crew.stale.push(worker);
    else {
      crew.staying.push(worker);
      if (trouble !== undefined) {
        crew.troubled++;
        crew.trouble ??= trouble;
      }
      if (connected) crew.ready++;
      if (!isIdle(worker)) crew.busy++;
      else if (nowMs >= idleMs + IDLE_MS) crew.bored++;
      else if (autoscaling) lookAt(idleMs + IDLE_MS);
    }
  }
  return crew;
}

function isIdle({ claims }: WorkerView): boolean {
  return claims === 0;
}

/**
 * P3. When one that was told to go is ended by force; undefined: not by us. A session that is gone is not always a process that is gone:
 * it has had its say. One that holds something is looked at again.
 */
function overdueAt(worker: WorkerView, nowMs: number): number | undefined {
  const { toldMs, connected, idleMs } = worker;
  if (toldMs === undefined) return undefined;
  if (!connected) return nowMs;
  return isIdle(worker) ? Math.max(toldMs, idleMs) + DRAIN_MS_MAX : nowMs + LOOK_MS;
}

/** P3. Of two that are alike the one goes whose process is elsewhere: its end would not be seen here. */
function idleFirst(a: WorkerView, b: WorkerView): number {
  const [idleA, idleB] = [isIdle(a), isIdle(b)];
  if (idleA !== idleB) return idleA ? -1 : 1;
  const order = (idleA ? a.idleMs - b.idleMs : a.claims - b.claims) || Number(a.ours) - Number(b.ours);
  return order || (a.id < b.id ? -1 : 1);
}

interface Doing {
  readonly missing: number;
  readonly create: number;
  readonly wanted: number;
  /** Why the next one has to wait. */
  readonly held: string | undefined;
}

function doingOf({ coming, troubled, trouble }: Crew, { missing, create, wanted, held }: Doing): string {
  if (held !== undefined) return held;
  if (create > 0) return `starting ${create} of ${wanted} workers`;
  if (missing > 0) return "waiting for room: the limit of the cluster is reached";
  if (trouble !== undefined) return `${troubled} of ${wanted} workers cannot start or go on: ${trouble}`;
  return coming > 0 ? `${coming} of ${wanted} workers are starting` : "";
}

function whyOf(
  { limit, autoscaling, demand }: PoolView,
  { share }: Room,
  { need, lingering }: { readonly need: number; readonly lingering: number },
): string {
  if (limit === 0) return "the pipeline is stopped or deleted";
  if (share < need) {
    const could = autoscaling ? `could use ${need} (${demand.what})` : `is to have ${need}`;
    return `the limit of the cluster leaves ${share} to this pipeline, which ${could}`;
  }
  if (!autoscaling) return "as parallelism_spec says; autoscaling is off";
  const idle = lingering > 0 ? `; ${lingering} had work until a moment ago` : "";
  if (demand.useful === 0 && need === 0) return `nothing to do${idle}`;
  if (demand.useful > limit) return `${demand.what} to do, for which parallelism_spec allows ${limit}`;
  const what = demand.useful === 0 ? "nothing new" : demand.what;
  const at = need === 1 ? "a worker that is" : `${need} workers that are`;
  const held = need > demand.useful ? `, on ${at} still at it` : "";
  return `${what} to do${held}${idle}`;
}
