// The nemesis' plan: what goes wrong, when, and for how long. A function of its seed and of nothing else, so that a run that has
// found something can be had again. (The same plan is not the same history: threads and the network are the machine's.)
//
// Faults of one lane come one after another; lanes run beside each other, and so faults meet. Whom a fault hits is drawn when it
// begins, by its own seed, among those that live then.

import { seededRandom } from "@sheaf/runtime";

export const LANES = ["worker", "service", "etcd", "link", "store"] as const;
export type Lane = (typeof LANES)[number];

/** What the plan needs to know of a kind of fault. */
export interface FaultShape {
  readonly kind: string;
  readonly lane: Lane;
  /** How often it is drawn, compared with others of its lane. */
  readonly weight: number;
  /** Shortest and longest, in milliseconds. [0, 0]: it happens in an instant. */
  readonly ms: readonly [number, number];
}

export interface PlannedFault {
  readonly id: number;
  readonly kind: string;
  readonly atMs: number;
  readonly ms: number;
  /** Seed of what it draws when it begins. */
  readonly draw: number;
}

const KILLS: readonly FaultShape[] = [
  { kind: "kill-worker", lane: "worker", weight: 8, ms: [0, 0] },
  { kind: "kill-master", lane: "service", weight: 1, ms: [200, 200] },
  { kind: "kill-merge", lane: "service", weight: 1, ms: [200, 200] },
];

export interface PlanOptions {
  readonly seed: number;
  /** Every fault begins and ends within this time. */
  readonly ms: number;
  readonly kinds: readonly FaultShape[];
  /** Pause between two faults of one lane, shortest and longest. */
  readonly pauseMs: readonly [number, number];
}

export function planFaults({ seed, ms, kinds, pauseMs }: PlanOptions): PlannedFault[] {
  const random = seededRandom(seed);
  const between = ([least, most]: readonly [number, number]) => least + random.int(most - least + 1);
  const planned: Omit<PlannedFault, "id">[] = [];
  for (const lane of LANES) {
    const here = kinds.filter((kind) => kind.lane === lane);
    if (here.length === 0) continue;
    for (let atMs = between(pauseMs); ; atMs += between(pauseMs)) {
      const fit = here.filter((kind) => atMs + kind.ms[0] <= ms);
      if (fit.length === 0) break;
      const { kind, ms: range } = weighted(fit, random.float());
      const lasts = Math.min(between(range), ms - atMs);
      planned.push({ kind, atMs, ms: lasts, draw: random.int(2 ** 31) });
      atMs += lasts;
    }
  }
  planned.sort((a, b) => a.atMs - b.atMs);
  return planned.map((fault, id) => ({ id, ...fault }));
}

/** The kind at `point` (0 to 1) of all weights laid end to end. */
function weighted(kinds: readonly FaultShape[], point: number): FaultShape {
  let left = point * kinds.reduce((sum, { weight }) => sum + weight, 0);
  for (const kind of kinds) {
    left -= kind.weight;
    if (left < 0) return kind;
  }
  return kinds.at(-1) as FaultShape;
}

export interface KillOptions {
  readonly seed: number;
  readonly kills: number;
  /** Mean time between two of them. */
  readonly everyMs: number;
  /** Which of them; empty: all. */
  readonly only: readonly string[];
}

/** A plan of kills only, one after another: of workers for the most part, of masters and merge replicas. */
export function planKills({ seed, kills, everyMs, only }: KillOptions): PlannedFault[] {
  const random = seededRandom(seed);
  const kinds = KILLS.filter(({ kind }) => only.length === 0 || only.includes(kind));
  let atMs = 0;
  return Array.from({ length: kills }, (_, id) => {
    atMs += everyMs / 2 + random.int(everyMs);
    const { kind, ms } = weighted(kinds, random.float());
    return { id, kind, atMs, ms: ms[0], draw: random.int(2 ** 31) };
  });
}
