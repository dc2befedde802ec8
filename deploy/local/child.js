// Programs that the set-up runs (npm, cargo, go): their output is kept and shown only when they fail.
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

const running = new Set();
const KEEP = 200_000;
const OUTPUT_MS = 1000;

/**
 * Runs a program to its end. Never throws for a program that fails: `code` is its exit code, 127 when it could not be started and
 * 124 when it was too slow; `answer` is what it wrote to descriptor 3, when it `asksBack`. Its process group is its own, so that
 * `stopChildren` reaches what it started.
 */
export function run(command, args, { cwd, env, timeoutMs, onStart, asksBack = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe", asksBack ? "pipe" : "ignore"],
    });
    let output = "";
    let stdout = "";
    let answer = "";
    let late = false;
    const tooLate = () => {
      late = true;
      killGroup(child.pid);
    };
    const timer = timeoutMs === undefined ? undefined : setTimeout(tooLate, timeoutMs);
    const end = (code) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ code: late ? 124 : code, output, stdout, answer });
    };
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout = (stdout + text).slice(-KEEP);
      output = (output + text).slice(-KEEP);
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      output = (output + text).slice(-KEEP);
    });
    child.stdio[3]?.setEncoding("utf8").on("data", (text) => {
      answer += text;
    });
    child.on("error", (error) => {
      output += error.message;
      end(127);
    });
    const numberOf = (code, signal) => code ?? 128 + constants.signals[signal];
    child.on("close", (code, signal) => end(numberOf(code, signal)));
    // A process that it left behind holds its output open: that is not waited for.
    child.on("exit", (code, signal) => setTimeout(end, OUTPUT_MS, numberOf(code, signal)).unref());
    if (child.pid !== undefined) {
      running.add(child);
      onStart?.(child.pid);
    }
  });
}

/** Ends what still runs, at once: all of it can be done again. */
export function stopChildren() {
  for (const child of running) killGroup(child.pid);
}

/** Ends a process group at once. */
export function killGroup(pid) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It ended by itself in between.
  }
}

/** The processes of a group that are still there a moment after its leader ended. Found by /proc: elsewhere none. */
export async function survivorsOf(group, graceMs = 2000) {
  for (let waited = 0; ; waited += 50) {
    const found = processesOf(group);
    if (found.length === 0 || waited >= graceMs) return found;
    await sleep(50);
  }
}

function processesOf(group) {
  if (!existsSync("/proc/self/stat")) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const { state, group: itsGroup, name } = processStat(pid) ?? {};
      return itsGroup === String(group) && state !== "Z" ? [`${name} (${pid})`] : [];
    });
}

/** What the kernel says of a process, where it has /proc. */
export function processStat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the program's name in brackets and may hold anything; the start time is field 22.
    const end = text.lastIndexOf(")");
    const fields = text.slice(end + 2).split(" ");
    const name = text.slice(text.indexOf("(") + 1, end);
    return { name, state: fields[0], group: fields[2], began: fields[19] };
  } catch {
    return undefined;
  }
}

/** The lines of a program's output that a person should see: the last ones, without blank ones. */
export function lastLines(output, count = 12) {
  return output
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-count)
    .join("\n");
}

/** Why a program failed, in one line: the last one that it printed. `SHEAF_DEBUG=1` shows all. */
export function whyItFailed(what, { code, output }) {
  const why = code === 124 ? "it took too long" : lastLines(output, 1).trim();
  return `${what} failed (exit code ${code}): ${process.env.SHEAF_DEBUG ? output : why}`;
}
