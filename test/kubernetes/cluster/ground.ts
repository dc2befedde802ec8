/** What a cluster with nodes stands on, outside of its processes: a folder, a bridge, control groups. */
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeGroups } from "./cgroups.ts";
import { makeBridge, removeNetwork } from "./network.ts";
import { takeTurn } from "./turn.ts";

const FOLDER = join(tmpdir(), "sheaf-kubernetes");

export interface Ground {
  readonly folder: string;
  /** Removes all of it; the processes have ended. */
  remove(): Promise<void>;
}

/** Waits for its turn, and clears away what a run that was killed left. */
export async function makeGround(): Promise<Ground> {
  const letNextGo = await takeTurn();
  try {
    await clear();
    mkdirSync(FOLDER, { mode: 0o711 });
    await makeBridge();
  } catch (error) {
    letNextGo();
    throw error;
  }
  const remove = async () => {
    await clear();
    letNextGo();
  };
  return { folder: FOLDER, remove };
}

async function clear(): Promise<void> {
  await removeNetwork();
  await removeGroups();
  rmSync(FOLDER, { recursive: true, force: true });
}
