/** One cluster with nodes at a time on a machine: they share its control groups and the names of its network. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeGroups } from "./cgroups.ts";
import { removeNetwork } from "./network.ts";

const FOLDER = join(tmpdir(), "sheaf-kubernetes");
const OWNER = join(FOLDER, "owner");

/** Takes the folder that such clusters live in, empty, and cleans what a run that was killed left. Throws when another one runs. */
export async function takeTurn(): Promise<string> {
  const owner = readOwner();
  if (owner !== undefined && owner.began === beganAt(owner.pid))
    throw new Error(
      `another test cluster runs on this machine (process ${owner.pid}, in ${FOLDER}): one at a time; wait for it, or end that process`,
    );
  await clean();
  mkdirSync(FOLDER, { mode: 0o711 });
  writeFileSync(OWNER, JSON.stringify({ pid: process.pid, began: beganAt(process.pid) }), { flag: "wx" });
  return FOLDER;
}

/** Removes all that such a cluster leaves outside of its processes, which have ended. */
export async function clean(): Promise<void> {
  await removeNetwork();
  removeGroups();
  rmSync(FOLDER, { recursive: true, force: true });
}

function readOwner(): { pid: number; began: string } | undefined {
  try {
    return JSON.parse(readFileSync(OWNER, "utf8"));
  } catch {
    return undefined; // None, or one that was cut short: the processes of such a run died with it.
  }
}

/** A process by more than its number, which is used again. */
function beganAt(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
