// Launchers as processes of this machine.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Carrier, Carriers, Launched } from "./carrier.ts";
import type { SlotCgroup } from "./cgroups.ts";
import { type Isolation, isolations } from "./isolation.ts";
import { Launcher, type LauncherOptions } from "./launcher.ts";
import { PFS_FOLDER, pointPfs } from "./pfs-link.ts";
import { quote } from "./quote.ts";
import type { Mode, Shell } from "./request.ts";

const SCRIPT = join(import.meta.dirname, "launcher.sh");
/** How long a launcher may take to say that it is ready. */
const READY_LIMIT_MS = 10_000;
/** What is kept of a launcher's own standard error, for the message about its death. */
const STDERR_KEPT = 2_048;

export interface LocalOptions {
  /** The root of the folders of commands that run as another user. */
  readonly given: string;
  /** The whole environment of launchers, and that of the commands. */
  readonly env: Readonly<Record<string, string>>;
  readonly isRoot: boolean;
  /** Where they and their commands run; undefined: nothing limits them. */
  readonly cgroup: SlotCgroup | undefined;
}

/** Which way to start a launcher works here is tried once. */
export class LocalCarriers implements Carriers {
  readonly #options: LocalOptions;
  #way = 0;

  constructor(options: LocalOptions) {
    this.#options = options;
  }

  async launch(options: Omit<LauncherOptions, "carrier">): Promise<Launched> {
    const { given, isRoot } = this.#options;
    const ways = isolations(options.box, given, isRoot);
    const problems: string[] = [];
    for (let way = this.#way; way < ways.length; way++) {
      const isolation = ways[way] as Isolation;
      const launcher = new Launcher({ ...options, carrier: new LocalCarrier(this.#options, isolation) });
      const problem = await launcher.ready;
      if (problem === undefined) {
        this.#way = way;
        return { ok: true, launcher };
      }
      launcher.close();
      problems.push(`${isolation.name}: ${problem}`);
    }
    const detail = `no shell can be started to run commands (${problems.join("; ")})`;
    return { ok: false, detail, isFinal: false };
  }

  close(): void {}
}

class LocalCarrier implements Carrier {
  readonly name: string;
  readonly canGive: boolean;
  readonly shell: Shell;
  readonly endsEvents = false;
  readonly readyLimitMs = READY_LIMIT_MS;
  readonly #options: LocalOptions;
  readonly #isolation: Isolation;
  #child: ChildProcess | undefined;
  #stderr = "";

  constructor(options: LocalOptions, isolation: Isolation) {
    this.#options = options;
    this.#isolation = isolation;
    this.name = isolation.name;
    this.canGive = isolation.hasPfs;
    this.shell = { isOwn: true, path: options.env.PATH ?? "" };
  }

  firstLines(box: string): string {
    return `l_box=${quote(box)}; . ${quote(SCRIPT)}\n`;
  }

  start(box: string, onGone: (detail: string) => void): void {
    mkdirSync(join(box, PFS_FOLDER), { mode: 0o755 });
    const { argv } = this.#isolation;
    const { cgroup, env } = this.#options;
    const [file, ...args] = cgroup?.enter(argv) ?? argv;
    // A session of its own: Ctrl-C in the user's terminal is for the worker, which then drains.
    const child = spawn(file as string, args, { stdio: ["ignore", "ignore", "pipe"], detached: true, env, cwd: "/" });
    this.#child = child;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
    });
    child.on("error", (error) => onGone(error.message));
    child.on("close", (code, signal) =>
      onGone(`it ended with ${signal ?? `exit code ${code}`}: ${this.#stderr.trim()}`),
    );
  }

  point(box: string, folder: string): void {
    if (this.#isolation.hasPfs) pointPfs(box, folder);
  }

  /**
   * The launcher's own group first: with it dies a command that has not begun. One that has begun died with process 1 of its
   * namespace, or is in the group that the file names (launcher.sh).
   */
  end(box: string, mode: Mode): void {
    const child = this.#child;
    if (child?.pid !== undefined) killGroup(child.pid);
    const file = join(box, "group");
    if (mode === "group" && existsSync(file)) killGroup(Number(readFileSync(file, "utf8")));
    // Nothing that it may have left behind keeps this process from ending.
    child?.stderr?.destroy();
    child?.unref();
  }
}

function killGroup(group: number): void {
  // Never 0 or 1: they stand for far too many processes.
  if (!Number.isInteger(group) || group <= 1) return;
  try {
    process.kill(-group, "SIGKILL");
  } catch (error) {
    // It has ended.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
