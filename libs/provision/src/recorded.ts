/** The processes that recorded themselves in a data folder: services in `processes/`, workers in `workers/`. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "@sheaf/runtime";
import { isAlive, type ProcessRecord, readRecord, signal } from "./process-record.ts";

const LOOK_MS = 20;

export type RecordFolder = "processes" | "workers";

/**
 * Ends all that live: SIGTERM, after `graceMs` SIGKILL to their groups. Resolves, with how many there were, when none is
 * left. The records of processes are removed; those of workers are their provisioner's.
 */
export async function endRecorded(
  dataDir: string,
  folders: readonly RecordFolder[],
  graceMs: number,
  clock: Clock,
): Promise<number> {
  const records = (await Promise.all(folders.map((folder) => readRecords(dataDir, folder)))).flat();
  const alive = records.filter(isAlive);
  for (const record of alive) signal(record, graceMs > 0 ? "SIGTERM" : "SIGKILL", graceMs === 0);
  const end = clock.now() + graceMs;
  for (let left = alive; left.length > 0; left = left.filter(isAlive)) {
    if (clock.now() >= end) for (const record of left) signal(record, "SIGKILL", true);
    await clock.sleep(LOOK_MS);
  }
  if (folders.includes("processes")) await rm(join(dataDir, "processes"), { recursive: true, force: true });
  return alive.length;
}

async function readRecords(dataDir: string, folder: RecordFolder): Promise<ProcessRecord[]> {
  const dir = join(dataDir, folder);
  const names = await readdir(dir).catch(() => []);
  const records = await Promise.all(
    names.filter((name) => name.endsWith(".stat")).map((name) => readRecord(join(dir, name))),
  );
  return records.filter((record) => record !== undefined);
}
