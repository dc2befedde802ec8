import { type Assignment, nextAssignment } from "./assign.ts";
import { type MakeWay, nextToMakeWay } from "./make-way.ts";
import { nextRace, type Race } from "./race.ts";
import { nextSteal, type Steal } from "./steal.ts";
import { isIdle, type LedgerView, type WorkerView } from "./view.ts";

export interface HandOutView<L extends LedgerView> {
  readonly ledgers: readonly L[];
  readonly workers: readonly WorkerView[];
  readonly cutIntervalMs: number;
  readonly now: number;
  /** Tails that were asked for and are not here yet: so many idle workers have something to wait for. */
  readonly asking: number;
  /** Whether the claim has a backup now, or the index had one. */
  readonly isRaced: (claim: string, index: number) => boolean;
}

export type HandOutStep<L extends LedgerView> = Assignment<L> | MakeWay<L> | Steal<L> | Race<L>;

/**
 * What a worker that wants work gets: what is free; else what another has not started (L6); else a backup (L7). And where something
 * was lost and nobody wants work, who makes way for it. Null: nothing is to be done.
 */
export function nextStep<L extends LedgerView>(view: HandOutView<L>): HandOutStep<L> | null {
  const { ledgers, workers, cutIntervalMs, now, asking, isRaced } = view;
  const free = nextAssignment(ledgers, workers, cutIntervalMs);
  if (free !== null) return free;
  const way = nextToMakeWay(ledgers, workers, now);
  if (way !== null) return way;
  const idle = workers.filter(isIdle).slice(asking);
  return nextSteal(ledgers, idle, now) ?? nextRace(ledgers, idle, now, isRaced);
}
