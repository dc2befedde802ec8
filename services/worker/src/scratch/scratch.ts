/**
 * The worker's scratch folder: `<data>/<worker id>`, for itself alone. It is removed at the end; what a killed worker left is
 * removed by the next one that starts with the same data folder.
 */
import { mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { alreadyExists, messageOf, permissionDenied } from "@sheaf/runtime";
import { removeFolder } from "./remove.ts";

/** Says which process a folder belongs to: its id, and when it began, because ids are used again. */
const OWNER_FILE = "owner";

/** Makes the folder anew; its path, free of links. Throws ALREADY_EXISTS when a living worker has it. */
export function openScratch(data: string, worker: string): string {
  const folder = join(data, worker);
  try {
    mkdirSync(data, { recursive: true, mode: 0o700 });
    removeLeftovers(data);
    mkdirSync(folder, { mode: 0o700 });
    writeFileSync(join(folder, OWNER_FILE), identityOf(process.pid) ?? "");
    return realpathSync.native(folder);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") {
      throw alreadyExists(
        "SCRATCH_IN_USE",
        `the scratch folder ${folder} belongs to a worker that runs: give another --id or --data`,
      );
    }
    throw permissionDenied("SCRATCH_UNUSABLE", `cannot use the scratch folder ${folder}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Removes the folders of workers that are dead. Anything else in the data folder is left alone. */
function removeLeftovers(data: string): void {
  for (const entry of readdirSync(data, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const folder = join(data, entry.name);
    const owner = readOrNothing(join(folder, OWNER_FILE));
    if (owner !== undefined && !isAlive(owner)) removeFolder(folder);
  }
}

function isAlive(owner: string): boolean {
  const pid = Number(owner.split(" ")[0]);
  return Number.isInteger(pid) && pid > 0 && identityOf(pid) === owner;
}

/** "<pid> <begin in clock ticks since boot>", or undefined when there is no such process. */
function identityOf(pid: number): string | undefined {
  const stat = readOrNothing(`/proc/${pid}/stat`);
  if (stat === undefined) return process.platform === "linux" ? undefined : `${pid}`;
  // After the name, which may hold anything, the 20th field is the time of its begin.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return `${pid} ${fields[19]}`;
}

function readOrNothing(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
