/** Which process a folder belongs to, written in the folder: what a killed process left can be told from what is in use. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const OWNER_FILE = "owner";

/** The folder is this process's. */
export function ownFolder(folder: string): void {
  writeFileSync(join(folder, OWNER_FILE), identityOf(process.pid) ?? "");
}

/** Whether the process that the folder belongs to is dead. False for folders that nobody has marked. */
export function isOrphan(folder: string): boolean {
  const owner = readOrNothing(join(folder, OWNER_FILE));
  return owner !== undefined && !isAlive(owner);
}

function isAlive(owner: string): boolean {
  const pid = Number(owner.split(" ")[0]);
  return Number.isInteger(pid) && pid > 0 && identityOf(pid) === owner;
}

/** "<pid> <begin in clock ticks since boot>", because ids are used again; undefined when there is no such process. */
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
