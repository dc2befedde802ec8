// How many workers a pipeline's pool shall have, and which go. Pure: what waits, what runs and what is allowed in; what to do and why
// out.
//
// P1. Without autoscaling a pool has as many workers as its spec says. With it, as many as have work, and none when there is none:
//     more at once when there is more to do, fewer slowly. A worker goes when it had nothing to do for IDLE_MS, so that what comes
//     in the meantime finds it there, and a pool under a steady load does not change. Those that were told to go do not count.
// P2. A worker that dies is replaced at once. When workers die young the next ones wait, longer each time; the first that
//     lives, or connects, ends that. So a command that does not start is tried for ever, at a pace that harms nobody.
// P3. What is too much is drained by name: it gives back or commits what it holds, and goes by itself. Idle ones go first, those
//     that have been idle for longest before the others. It is ended by force when it holds nothing and still does not go, or is not
//     connected and so cannot be told; what holds something takes as long as that takes, or it would be run twice.
// P4. A worker that never connects is as good as dead: it is ended and replaced.
// P5. Workers that another master started count like this one's own, as soon as they are connected; and while the key of their
//     session with the last owner stands they are expected, so that a takeover starts nobody twice. They are drained like the
//     others, and ended by force by nobody but the master that started them.
// P6. A worker with another number of slots than the spec has now counts as gone: it is drained, another takes its place.
// P7. A pool never has more than its share of the cluster (share.ts), and starts nobody for whom the cluster has no room: workers
//     that were told to go take room until they are gone.

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
  /** It has another number of slots than is wanted now (P6). */
  readonly outdated: boolean;
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
  /** What it may have of the cluster. */
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
  const asks = [...pools].map(([name, view]) => askOf(name, view));
  let free = [...pools.values()].reduce((left, { workers }) => left - workers.length, processesMax);
  const steps = new Map<string, PoolStep>();
  for (const [name, own] of share(asks, processesMax)) {
    const view = pools.get(name);
    if (view === undefined) continue;
    const step = decide(view, { share: own, free: Math.max(0, free) });
    free -= step.create;
    steps.set(name, step);
  }
  return steps;
}

/** What the pool asks the cluster for. */
export function askOf(pipeline: string, view: PoolView): Ask {
  const { limit, autoscaling, demand } = view;
  if (autoscaling) return { pipeline, oldest: demand.oldest, ...wishOf(view) };
  // Workers that are there without work give way to those that have some (S4).
  const busy = stayingOf(view).filter((worker) => !isIdle(worker)).length;
  const need = Math.min(limit, Math.max(demand.useful, busy));
  return { pipeline, oldest: demand.oldest, need, keep: limit - need };
}

export function decide(view: PoolView, room: Room): PoolStep {
  const { nowMs, failures, workers } = view;
  const staying = stayingOf(view);
  const { need, keep } = wishOf(view);
  const wanted = Math.min(need + keep, room.share); // P7
  const surplus = staying.toSorted(idleFirst).slice(0, Math.max(0, staying.length - wanted)); // P1
  const lost = workers.filter((worker) => isLost(worker, nowMs)); // P4
  const overdue = workers.filter((worker) => isOverdue(worker, nowMs)); // P3
  const missing = Math.max(0, Math.min(need, room.share) - staying.length - workers.filter(isExpected).length);
  const waitUntilMs = missing > 0 ? pausedUntil(failures) : undefined; // P2
  const paused = waitUntilMs !== undefined && waitUntilMs > nowMs;
  const create = paused ? 0 : Math.min(missing, room.free);
  const goes = new Set(surplus.map(({ id }) => id));
  const times = [
    ...(paused ? [waitUntilMs] : []),
    ...(view.autoscaling && view.demand.useful > 0 ? [nowMs + LOOK_MS] : []),
    ...(view.autoscaling ? staying.filter(isIdle).map(({ idleMs }) => idleMs + IDLE_MS) : []),
    ...workers.flatMap((worker) => deadlines(worker, nowMs)),
  ];
  return {
    wanted,
    share: room.share,
    create,
    drain: [...workers.filter(isStale), ...surplus.filter(({ connected }) => connected)].map(({ id }) => id),
    remove: [...lost, ...overdue, ...surplus.filter(({ ours, connected }) => ours && !connected)].map(({ id }) => id),
    atMs: earliest(times, nowMs),
    doing: doingOf(view, { missing, paused, create, wanted }),
    why: whyOf(view, room, { need, wanted, lingering: staying.filter(({ id }) => !goes.has(id)).length - need }),
    failing: view.limit > 0 ? failingOf(failures) : undefined,
  };
}

/** P1: how many have work, and how many more may wait a while for some. */
function wishOf(view: PoolView): { readonly need: number; readonly keep: number } {
  const { limit, autoscaling, demand, nowMs } = view;
  if (!autoscaling) return { need: limit, keep: 0 };
  const staying = stayingOf(view);
  const idle = staying.filter(isIdle).toSorted(idleFirst);
  const need = Math.min(limit, Math.max(demand.useful, staying.length - idle.length));
  const extra = idle.slice(0, Math.max(0, staying.length - need));
  const lingering = extra.filter(({ idleMs }) => nowMs < idleMs + IDLE_MS).length;
  return { need, keep: Math.min(lingering, limit - need) };
}

/** Those that are here or on their way, and shall be. */
function stayingOf({ workers, nowMs }: PoolView): WorkerView[] {
  return workers.filter(
    (worker) => !worker.leaving && !isLost(worker, nowMs) && !isExpected(worker) && !isStale(worker),
  );
}

/** P5: it is on its way here, as far as etcd knows. */
function isExpected(worker: WorkerView): boolean {
  return !worker.ours && !worker.connected;
}

/** P6. */
function isStale({ outdated, connected, leaving }: WorkerView): boolean {
  return outdated && connected && !leaving;
}

function isIdle({ claims }: WorkerView): boolean {
  return claims === 0;
}

function isLost(worker: WorkerView, nowMs: number): boolean {
  return worker.ours && !worker.connected && !worker.leaving && nowMs >= worker.sinceMs + CONNECT_MS_MAX;
}

/** P3. A session that is gone is not always a process that is gone: what was told to go has had its say. */
function isOverdue(worker: WorkerView, nowMs: number): boolean {
  const { ours, toldMs, connected } = worker;
  if (!ours || toldMs === undefined) return false;
  return !connected || (isIdle(worker) && nowMs >= overdueAt(toldMs, worker));
}

function overdueAt(toldMs: number, { idleMs }: WorkerView): number {
  return Math.max(toldMs, idleMs) + DRAIN_MS_MAX;
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
  readonly paused: boolean;
  readonly create: number;
  readonly wanted: number;
}

function doingOf(view: PoolView, { missing, paused, create, wanted }: Doing): string {
  if (missing > 0 && paused) return `the next worker is started later: ${view.failures?.why ?? ""}`;
  if (create > 0) return `starting ${create} of ${wanted} workers`;
  if (missing > 0) return "waiting for room: the limit of the cluster is reached";
  const coming = view.workers.filter(
    (worker) => !worker.leaving && !worker.connected && !isLost(worker, view.nowMs),
  ).length;
  return coming > 0 ? `${coming} of ${wanted} workers are starting` : "";
}

function whyOf(
  { limit, autoscaling, demand }: PoolView,
  { share }: Room,
  { need, wanted, lingering }: { readonly need: number; readonly wanted: number; readonly lingering: number },
): string {
  if (limit === 0) return "the pipeline is stopped or deleted";
  if (share < need) {
    const could = autoscaling ? `could use ${need} (${demand.what})` : `is to have ${need}`;
    return `the limit of the cluster leaves ${share} to this pipeline, which ${could}`;
  }
  if (!autoscaling) return "as parallelism_spec says; autoscaling is off";
  const idle = lingering > 0 && wanted > need ? `; ${lingering} had work until a moment ago` : "";
  if (demand.useful === 0) return `nothing to do${idle}`;
  if (demand.useful > limit) return `${demand.what} to do, for which parallelism_spec allows ${limit}`;
  const held = need > demand.useful ? `, on ${need} workers that are still at it` : "";
  return `${demand.what} to do${held}${idle}`;
}

function deadlines(worker: WorkerView, nowMs: number): number[] {
  if (isExpected(worker)) return [nowMs + LOOK_MS];
  if (!worker.ours) return [];
  // One that holds something is looked at again when it has finished that; a second later is soon enough.
  if (worker.toldMs !== undefined) return [isIdle(worker) ? overdueAt(worker.toldMs, worker) : nowMs + LOOK_MS];
  return worker.connected || worker.leaving ? [] : [worker.sinceMs + CONNECT_MS_MAX];
}

function earliest(times: readonly number[], nowMs: number): number | undefined {
  const ahead = times.filter((time) => time > nowMs);
  return ahead.length === 0 ? undefined : ahead.reduce((least, time) => Math.min(least, time));
}
