// One master or merge replica as a process that can be killed, frozen and started again, on the ports that it had before. When it
// ends by itself a supervisor starts it again, as in any deployment, and its exit code is written down.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { compileCache } from "@sheaf/provision";
import { serviceProgram } from "../kit/service-program.ts";
import type { Journal } from "./journal.ts";

/** Pause before a service that ended by itself is started again. */
const RESTART_MS = 500;

export interface ServiceOptions {
  readonly kind: "master" | "merge";
  readonly name: string;
  readonly flags: readonly string[];
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly nemesis: Journal;
}

export class Service {
  readonly kind: "master" | "merge";
  readonly name: string;
  readonly #options: ServiceOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  /** Whether it shall run: the supervisor's wish. */
  #wanted = false;

  constructor(options: ServiceOptions) {
    this.kind = options.kind;
    this.name = options.name;
    this.#options = options;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get runs(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Harmless when it runs. */
  start(): void {
    this.#wanted = true;
    if (this.runs) return;
    const { kind, name, flags, folder, env, nemesis } = this.#options;
    const log = openSync(join(folder, "logs", `${name}.log`), "a");
    const program = serviceProgram(kind);
    // Whatever ends this process, nothing goes on.
    const own = { SHEAF_PARENT_PID: String(process.pid), SHEAF_LOG_LEVEL: "debug" };
    const { PATH = "", HOME = "" } = process.env;
    const child = spawn(process.execPath, [program, ...flags], {
      env: { PATH, HOME, NODE_COMPILE_CACHE: compileCache(process.env), ...own, ...env },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#child = child;
    this.#exited = new Promise((resolve) => child.once("exit", () => resolve()));
    nemesis.write({ what: "started", service: name, pid: child.pid });
    child.once("exit", (code, signal) => {
      nemesis.write({ what: "exited", service: name, pid: child.pid, code, signal, asked: !this.#wanted });
      if (this.#wanted) setTimeout(() => this.#wanted && this.start(), RESTART_MS);
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Ends it, and keeps it down until `start`. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    this.#wanted = false;
    this.signal(signal);
    // A frozen one hears of it when it goes on.
    this.signal("SIGCONT");
    await this.#exited;
  }
}
