/** One cluster with nodes at a time on a machine: they share its control groups and the names of its network. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { removeGroups } from "./cgroups.ts";
import { removeNetwork } from "./network.ts";

const FOLDER = join(tmpdir(), "sheaf-kubernetes");
const OWNER = join(FOLDER, "owner");
const PATIENCE_MS = 5 * 60_000;
const POLL_MS = 250;

/**
 * Takes the folder that such clusters live in, empty, and cleans what a run that was killed left. Waits while another one runs,
 * and throws when that takes too long.
 */
export async function takeTurn(): Promise<string> {
  const end = performance.now() + PATIENCE_MS;
  for (let told = false; ; told = true) {
    const owner = livingOwner();
    if (owner === undefined) break;
    const runs = `another test cluster runs on this machine (process ${owner}, in ${FOLDER}), and there can be one at a time`;
    if (!told) process.stderr.write(`sheaf: ${runs}: waiting for it\n`);
    if (performance.now() > end) throw new Error(`${runs}: end that process, then run again`);
    await sleep(POLL_MS);
  }
  await clean();
  mkdirSync(FOLDER, { mode: 0o711 });
  writeFileSync(OWNER, JSON.stringify({ pid: process.pid, began: beganAt(process.pid) }), { flag: "wx" });
  return FOLDER;
}

/** Removes all that such a cluster leaves outside of its processes, which have ended. */
export async function clean(): Promise<void> {
  await removeNetwork();
  await removeGroups();
  rmSync(FOLDER, { recursive: true, force: true });
}

function livingOwner(): number | undefined {
  try {
    const { pid, began } = JSON.parse(readFileSync(OWNER, "utf8"));
    return began === beganAt(pid) ? pid : undefined;
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
