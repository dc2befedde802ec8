import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** SIGSTOP; resolves when every thread of the process stands still, which on a busy machine comes a little later than the signal. */
export async function freeze(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  while (!threadStates(pid).every((state) => state === "T")) await sleep(1);
}

function threadStates(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
    return stat[stat.lastIndexOf(")") + 2] ?? "";
  });
}
