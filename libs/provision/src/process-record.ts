/**
 * Who a process is, also for those who did not start it: its id, when it began, and on which boot of the machine. A process
 * id alone is used again for others.
 *
 * The process records itself before it becomes the program: so there is no moment in which it lives unrecorded, whenever
 * its starter dies.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";

export interface ProcessRecord {
  readonly pid: number;
  /** What /proc says of it (clock ticks since boot), or `ps`; only ever compared. */
  readonly start: string;
  readonly boot: string;
}

/** Writes the two lines that `readRecord` reads to $1, then becomes the program with its arguments, under the same id. */
const RECORD_AND_BECOME = `
if read -r stat 2>/dev/null </proc/$$/stat; then read -r boot </proc/sys/kernel/random/boot_id
else stat="$$ $(ps -o lstart= -p $$)"; boot=-
fi
printf '%s\\n%s\\n' "$stat" "$boot" >"$1" || exit 126
shift
exec "$@"`;

/** The command line that records itself in `file` and then is `argv`. */
export function recording(file: string, argv: readonly string[]): [string, string[]] {
  return ["/bin/sh", ["-c", RECORD_AND_BECOME, "sheaf-start", file, ...argv]];
}

/** Undefined when the file is missing or is not whole. */
export async function readRecord(file: string): Promise<ProcessRecord | undefined> {
  try {
    return parseRecord(await readFile(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** Whether that very process lives. A zombie does not. */
export function isAlive({ pid, start, boot }: ProcessRecord): boolean {
  if (boot !== bootId()) return false;
  const now = startOf(pid);
  return now !== undefined && now.start === start && now.state !== "Z";
}

/** The record of this process. */
export function ownRecord(): ProcessRecord {
  return { pid: process.pid, start: startOf(process.pid)?.start ?? "", boot: bootId() };
}

/** Sends a signal to that very process, or, with `group`, to all of its group. False: it is gone. */
export function signal(record: ProcessRecord, name: NodeJS.Signals, group = false): boolean {
  if (!isAlive(record)) return false;
  try {
    return process.kill(group ? -record.pid : record.pid, name);
  } catch {
    return false;
  }
}

function parseRecord(text: string): ProcessRecord | undefined {
  const [line = "", boot = "", end] = text.split("\n");
  const pid = Number.parseInt(line, 10);
  if (end === undefined || !Number.isSafeInteger(pid) || pid <= 1) return undefined;
  const start = boot === "-" ? line.replace(/^\d+ /, "").trim() : statFields(line)?.start;
  return start === undefined ? undefined : { pid, start, boot };
}

interface Start {
  readonly start: string;
  readonly state: string;
}

/** The name of the program, in parentheses, may hold anything: fields count from the last one. */
function statFields(stat: string): Start | undefined {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, start] = [fields[0], fields[19]];
  return state === undefined || start === undefined ? undefined : { state, start };
}

function startOf(pid: number): Start | undefined {
  try {
    if (process.platform === "linux") return statFields(readFileSync(`/proc/${pid}/stat`, "utf8"));
    const text = execFileSync("ps", ["-o", "state=,lstart=", "-p", String(pid)], {
      encoding: "utf8",
    }).trim();
    const [, state = "", start = ""] = /^(\S)\S*\s+(.*)$/.exec(text) ?? [];
    return { state, start };
  } catch {
    return undefined;
  }
}

let boot: string | undefined;

function bootId(): string {
  boot ??= process.platform === "linux" ? readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim() : "-";
  return boot;
}
