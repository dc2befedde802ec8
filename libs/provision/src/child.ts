/** A process of a local cluster: recorded, logging to a file of its own, stopped with its whole group. */
import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { type Clock, failedPrecondition, messageOf } from "@sheaf/runtime";
import { logTail, openLog } from "./log-file.ts";
import { withoutPrivate } from "./private-variables.ts";
import { recording } from "./process-record.ts";

export interface ChildOptions {
  /** Its record is `processes/<name>.stat`, its log `logs/<name>.log`. */
  readonly name: string;
  readonly dataDir: string;
  readonly argv: readonly string[];
  /** It gets these less what is private to this process. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

export interface ChildExit {
  readonly code: number | undefined;
  readonly signal: string | undefined;
}

export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  readonly stdout: Readable;
  /** Resolves when it is gone; never rejects. */
  readonly exited: Promise<ChildExit>;
  /** The last that it wrote to its log since it began, at most 4 KiB. */
  logTail(): Promise<string>;
  /** SIGTERM, after `graceMs` SIGKILL to its group. Resolves when it is gone. Twice is harmless. */
  stop(graceMs: number): Promise<void>;
}

/** Standard error goes to the log without us: it is whole also when we die. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { name, dataDir, clock } = options;
  for (const dir of ["processes", "logs"]) await mkdir(join(dataDir, dir), { recursive: true });
  const logFile = join(dataDir, "logs", `${name}.log`);
  const { handle, size } = await openLog(logFile);
  const [command, args] = recording(join(dataDir, "processes", `${name}.stat`), options.argv);
  const exited = Promise.withResolvers<ChildExit>();
  try {
    // A group of its own: Ctrl-C in the terminal is for us, who stop it in order.
    const child = spawn(command, args, {
      detached: true,
      stdio: ["ignore", "pipe", handle.fd],
      env: withoutPrivate(options.env),
    });
    child.once("exit", (code, signal) => exited.resolve({ code: code ?? undefined, signal: signal ?? undefined }));
    const pid = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("spawn", () => resolve(child.pid ?? 0));
    });
    const { stdout } = child;
    if (stdout === null) throw failedPrecondition("NO_STDOUT", `${name} has no standard output`);
    const gone = exited.promise;
    const stop = (graceMs: number) => stopGroup(pid, gone, graceMs, clock);
    return {
      name,
      pid,
      logFile,
      stdout,
      exited: gone,
      logTail: () => logTail(logFile, size),
      stop,
    };
  } catch (error) {
    throw failedPrecondition("NOT_STARTED", `cannot start ${name}: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    await handle.close();
  }
}

/** "exit code 3", "signal SIGKILL". */
export function describeExit({ code, signal }: ChildExit): string {
  return signal === undefined ? `exit code ${code}` : `signal ${signal}`;
}

async function stopGroup(pid: number, exited: Promise<unknown>, graceMs: number, clock: Clock): Promise<void> {
  kill(pid, graceMs > 0 ? "SIGTERM" : "SIGKILL");
  const timer = clock.timer(graceMs, () => kill(-pid, "SIGKILL"));
  await exited;
  timer.cancel();
  // What it left behind in its group, and would be nobody's.
  kill(-pid, "SIGKILL");
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone: what was wanted.
  }
}
