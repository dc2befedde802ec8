// Carries out a plan, and writes down what it did. Afterwards the world is healed: every fault is taken back, whatever the plan was.

import { seededRandom } from "@sheaf/runtime";
import type { Begun, Fault, Stage } from "./faults/fault.ts";
import type { Journal } from "./journal.ts";
import type { PlannedFault } from "./plan.ts";
import { sleep } from "./sleep.ts";

/** A line of the nemesis' journal; services write `started` and `exited` into it as well. */
export interface NemesisEntry {
  readonly ns: number;
  readonly what: "plan" | "begin" | "end" | "nobody" | "failed" | "healed" | "started" | "exited";
  readonly id?: number;
  readonly kind?: string;
  readonly target?: string;
  readonly facts?: {
    readonly workers?: readonly { readonly id: string; readonly pool: string; readonly pid: number }[];
    /** Where workers reach the replica. */
    readonly address?: string;
  };
  readonly service?: string;
  readonly pid?: number;
  readonly code?: number | null;
  readonly signal?: string | null;
  /** The nemesis wanted it to end. */
  readonly asked?: boolean;
}

/** How long the end of a fault is tried: it may need an etcd that another fault holds down. */
const END_TRIES_MS = 60_000;
const PAUSE_MS = 500;

export class Nemesis {
  readonly #stage: Stage;
  readonly #journal: Journal;
  readonly #faults: ReadonlyMap<string, Fault>;

  constructor(stage: Stage, faults: readonly Fault[], journal: Journal) {
    this.#stage = stage;
    this.#journal = journal;
    this.#faults = new Map(faults.map((fault) => [fault.kind, fault]));
  }

  /** Resolves when the last fault has ended. `stopped` cuts the rest of the plan. */
  async carryOut(plan: readonly PlannedFault[], stopped: AbortSignal): Promise<void> {
    const begun = performance.now();
    const until = (atMs: number) => sleep(begun + atMs - performance.now(), stopped);
    const one = async (planned: PlannedFault) => {
      await until(planned.atMs);
      if (stopped.aborted) return;
      const fault = await this.#begin(planned);
      await until(planned.atMs + planned.ms);
      await this.#end(planned, fault);
    };
    await Promise.all(plan.map(one));
    this.#journal.write({ what: "healed" });
  }

  async #begin({ id, kind, draw, ms }: PlannedFault): Promise<Begun | null> {
    const fault = this.#faults.get(kind);
    try {
      const begun = (await fault?.begin(this.#stage, seededRandom(draw), ms)) ?? null;
      if (begun === null) this.#journal.write({ what: "nobody", id, kind });
      else this.#journal.write({ what: "begin", id, kind, target: begun.target, facts: begun.facts });
      return begun;
    } catch (error) {
      // It needs an etcd that answers, and another fault took that away.
      this.#journal.write({ what: "failed", id, kind, error: String(error) });
      return null;
    }
  }

  async #end({ id, kind }: PlannedFault, begun: Begun | null): Promise<void> {
    if (begun?.end === undefined) return;
    const giveUp = performance.now() + END_TRIES_MS;
    for (;;) {
      try {
        await begun.end();
        return this.#journal.write({ what: "end", id, kind });
      } catch (error) {
        if (performance.now() > giveUp)
          throw new Error(`the nemesis cannot end ${kind} (${begun.target})`, { cause: error });
        await sleep(PAUSE_MS);
      }
    }
  }
}
