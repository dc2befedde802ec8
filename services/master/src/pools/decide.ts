// How many workers a pipeline's pool needs, and which go. Pure: what is wanted and what is there in, what to do and why out.
//
// P1. A pool of constant size has exactly as many workers as wanted, those that were told to go not counted.
// P2. A worker that dies is replaced at once. When workers die young the next ones wait, longer each time; the first that
//     lives, or connects, ends that. So a command that does not start is tried for ever, at a pace that harms nobody.
// P3. What is too much is drained by name: it gives back or commits what it holds, and goes by itself. Idle ones go first.
//     It is ended by force when it takes too long, or is not connected and so cannot be told.
// P4. A worker that never connects is as good as dead: it is ended and replaced.
// P5. Workers that another master started count like this one's own, as soon as they are connected; and while the key of their
//     session with the last owner stands they are expected, so that a takeover starts nobody twice. They are drained like the
//     others, and ended by force by nobody but the master that started them.
// P6. A worker with another number of slots than the spec has now counts as gone: it is drained, another takes its place.

/** A worker that dies younger than this died young. */
export const YOUNG_MS = 10_000;
const BACKOFF_BASE_MS = 500;
const BACKOFF_MAX_MS = 30_000;
/** From so many young deaths on the pipeline is said to fail. */
const FAILING_AFTER = 3;
/** How soon to look again whether expected workers have come, or their keys have gone. */
const EXPECTED_LOOK_MS = 1_000;
/** A drained worker finishes a claim of some seconds, cuts and commits. */
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
  /** Since when it could have connected: its creation, or when this master took the pipeline. Milliseconds since 1970. */
  readonly sinceMs: number;
}

/** Young deaths in a row. */
export interface Failures {
  readonly count: number;
  readonly lastMs: number;
  /** What the last one said, for people. */
  readonly why: string;
}

export interface PoolView {
  /** Workers that there shall be; 0 when the pipeline is stopped or gone. */
  readonly wanted: number;
  readonly workers: readonly WorkerView[];
  readonly failures: Failures | null;
  readonly nowMs: number;
}

export interface PoolStep {
  readonly create: number;
  /** Told to finish and go. */
  readonly drain: readonly string[];
  /** Ended. */
  readonly remove: readonly string[];
  /** Look again at this time, whatever happens. */
  readonly atMs: number | undefined;
  /** What is done, for people; empty when all is as it shall be. */
  readonly reason: string;
  /** Why the pipeline cannot run; undefined: it can. */
  readonly failing: string | undefined;
}

export function decide(view: PoolView): PoolStep {
  const lost = view.workers.filter((worker) => isLost(worker, view.nowMs)); // P4
  const expected = view.workers.filter(isExpected).length; // P5
  const outdated = view.workers.filter(({ outdated, connected, leaving }) => outdated && connected && !leaving); // P6
  const staying = view.workers.filter(
    (worker) => !worker.leaving && !lost.includes(worker) && !isExpected(worker) && !outdated.includes(worker),
  );
  const surplus = staying.toSorted(idleFirst).slice(0, Math.max(0, staying.length - view.wanted)); // P1
  const overdue = view.workers.filter((worker) => isOverdue(worker, view.nowMs)); // P3
  const missing = Math.max(0, view.wanted - staying.length - expected);
  const waitUntilMs = missing > 0 ? pausedUntil(view.failures) : undefined; // P2
  const paused = waitUntilMs !== undefined && waitUntilMs > view.nowMs;
  return {
    create: paused ? 0 : missing,
    drain: [...outdated, ...surplus.filter((worker) => worker.connected)].map((worker) => worker.id),
    remove: [...lost, ...overdue, ...surplus.filter((worker) => worker.ours && !worker.connected)].map(({ id }) => id),
    atMs: earliest(
      [...(paused ? [waitUntilMs] : []), ...view.workers.flatMap((worker) => deadlines(worker, view.nowMs))],
      view.nowMs,
    ),
    reason: reasonOf(view, missing, paused, Math.min(view.wanted, staying.length + expected)),
    failing: view.wanted > 0 ? failingOf(view.failures) : undefined,
  };
}

/** What a worker's end means for the next one. */
export function afterExit(before: Failures | null, livedMs: number, why: string, nowMs: number): Failures | null {
  if (livedMs >= YOUNG_MS) return null;
  return { count: (before?.count ?? 0) + 1, lastMs: nowMs, why };
}

/** P5: it is on its way here, as far as etcd knows. */
function isExpected(worker: WorkerView): boolean {
  return !worker.ours && !worker.connected;
}

function isLost(worker: WorkerView, nowMs: number): boolean {
  return worker.ours && !worker.connected && !worker.leaving && nowMs >= worker.sinceMs + CONNECT_MS_MAX;
}

function isOverdue({ ours, toldMs, connected }: WorkerView, nowMs: number): boolean {
  // A session that is gone is not always a process that is gone: what was told to go has had its say.
  return ours && toldMs !== undefined && (!connected || nowMs >= toldMs + DRAIN_MS_MAX);
}

/** Of two that hold as much the one goes whose process is elsewhere: its end would not be seen here. */
function idleFirst(a: WorkerView, b: WorkerView): number {
  const order = Number(a.connected) - Number(b.connected) || a.claims - b.claims || Number(a.ours) - Number(b.ours);
  return order || (a.id < b.id ? -1 : 1);
}

/** The first replacement comes at once; so does that of the first young death. */
function pausedUntil(failures: Failures | null): number | undefined {
  if (failures === null || failures.count < 2) return undefined;
  return failures.lastMs + Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** (failures.count - 2));
}

function failingOf(failures: Failures | null): string | undefined {
  if (failures === null || failures.count < FAILING_AFTER) return undefined;
  return `its workers end soon after they start, ${failures.count} times in a row; the last one: ${failures.why}`;
}

function reasonOf(view: PoolView, missing: number, paused: boolean, staying: number): string {
  if (missing > 0 && paused) return `the next worker is started later: ${view.failures?.why ?? ""}`;
  if (missing > 0) return `starting ${missing} of ${view.wanted} workers`;
  const here = view.workers.filter((worker) => worker.connected && !worker.leaving).length;
  return here < staying ? `${staying - here} of ${view.wanted} workers are starting` : "";
}

function deadlines(worker: WorkerView, nowMs: number): number[] {
  if (isExpected(worker)) return [nowMs + EXPECTED_LOOK_MS];
  if (!worker.ours) return [];
  if (worker.toldMs !== undefined) return [worker.toldMs + DRAIN_MS_MAX];
  return worker.connected || worker.leaving ? [] : [worker.sinceMs + CONNECT_MS_MAX];
}

function earliest(times: readonly number[], nowMs: number): number | undefined {
  const ahead = times.filter((time) => time > nowMs);
  return ahead.length === 0 ? undefined : Math.min(...ahead);
}
