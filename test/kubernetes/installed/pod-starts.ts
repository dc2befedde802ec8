/**
 * When the pods of a pipeline's workers are asked for, and when their agents begin: seen from outside, and without asking again and
 * again, which would take the processor from those that start.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { Installation } from "./installation.ts";
import { WORKERS } from "./installation.ts";

/** Of the kernel's counts in /proc, on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const STARTED_AFTER_COMMAND = 19;

export interface Asked {
  readonly pod: string;
  readonly worker: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

export class PodStarts {
  readonly asked: Asked[] = [];
  #end: () => void = () => {};

  private constructor() {}

  /** Resolves when it sees what comes from now on. */
  static async watch(sheaf: Installation, pipeline: string): Promise<PodStarts> {
    const starts = new PodStarts();
    const selector = `sheaf.dev/pipeline=${pipeline}`;
    const columns = "custom-columns=:.metadata.name,:.metadata.labels.sheaf\\.dev/worker";
    const what = ["pods", "-n", WORKERS, "-l", selector, "--no-headers", "-o", columns];
    starts.#end = await sheaf.cluster.watch(what, (line) => {
      const [pod = "", worker = ""] = line.trim().split(/ +/);
      if (pod === "" || starts.asked.some((each) => each.pod === pod)) return;
      starts.asked.push({ pod, worker, atMs: Date.now() });
    });
    return starts;
  }

  close(): void {
    this.#end();
  }
}

/** The process of an agent that lives: those of containers are seen from outside. */
export function agentPid(worker: string): string | undefined {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.find((pid) => readIfThere(`/proc/${pid}/cmdline`).includes(worker));
}

/** Process 1 of the user's container of a pod, as this machine sees it. */
export function firstProcess(podUid: string): number {
  const found = readdirSync("/proc").find(
    (pid) =>
      /^\d+$/.test(pid) &&
      readIfThere(`/proc/${pid}/cmdline`).includes("/sheaf/bin/pid1.sh") &&
      readIfThere(`/proc/${pid}/cgroup`).includes(podUid) &&
      / 1$/m.test(/^NSpid:.*$/m.exec(readIfThere(`/proc/${pid}/status`).replaceAll("\t", " "))?.[0] ?? ""),
  );
  if (found === undefined) throw new Error(`no container of pod ${podUid} runs here`);
  return Number(found);
}

/** When the container's process was made, to 10 ms; in milliseconds since 1970. */
export function agentBeganMs(worker: string): number {
  const pid = agentPid(worker);
  if (pid === undefined) throw new Error(`the agent of ${worker} does not run`);
  const ofProcess = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = ofProcess.slice(ofProcess.lastIndexOf(")") + 2).split(" ");
  const began = Number(fields[STARTED_AFTER_COMMAND]) / TICKS_PER_SECOND;
  const uptime = Number.parseFloat(readFileSync("/proc/uptime", "latin1"));
  return Date.now() - (uptime - began) * 1_000;
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return ""; // It has just ended.
  }
}
