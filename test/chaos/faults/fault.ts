// What a fault is to the nemesis: when it begins it says whom it hit, and how to end it.

import type { Random } from "@sheaf/runtime";
import type { EtcdLog } from "../etcd-log.ts";
import type { Keeper } from "../keeper.ts";
import type { FaultShape } from "../plan.ts";
import type { World } from "../world.ts";

/** What faults work on. */
export interface Stage {
  readonly world: World;
  readonly keeper: Keeper;
  readonly log: EtcdLog;
}

export interface Begun {
  /** For people. */
  readonly target: string;
  /** What the checker and the figures need to know of it. */
  readonly facts?: Readonly<Record<string, unknown>>;
  /** Takes it back. None: it was over at once. */
  readonly end?: () => Promise<void> | void;
}

export interface Fault extends FaultShape {
  /** The rows of the fault matrix that it stands for; see README.md. */
  readonly rows: readonly string[];
  /** What the machine must have for it. */
  readonly needs?: "strace";
  /** null: there is nobody to hit now. It must do without a network that works. */
  begin(stage: Stage, random: Random, ms: number): Promise<Begun | null> | Begun | null;
}

export function pick<T>(from: readonly T[], random: Random): T | undefined {
  return from[random.int(Math.max(1, from.length))];
}

/** False: the process went before us. */
export function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
