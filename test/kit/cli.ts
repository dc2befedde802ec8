// The command line as a user has it: a process, its output and its exit code.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";

const PROGRAM = join(import.meta.dirname, "..", "..", "services", "cli", "src", "main.ts");

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface CliEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Both, in the order of arrival. */
  readonly all: string;
}

/** A `sheaf` that runs. */
export class Cli {
  readonly child: ChildProcess;
  readonly end: Promise<CliEnd>;
  #stdout = "";
  #stderr = "";
  #all = "";
  readonly #said: (() => void)[] = [];

  constructor(args: readonly string[], { cwd, env = {} }: CliOptions = {}) {
    this.child = spawn(process.execPath, [PROGRAM, ...args], {
      cwd,
      env: { ...process.env, SHEAF_ADDRESS: "", NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child.stdout?.on("data", (chunk: Buffer) => {
      this.#stdout += chunk;
      this.#hear(chunk);
    });
    this.child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr += chunk;
      this.#hear(chunk);
    });
    this.end = new Promise((resolve) => {
      this.child.once("close", (code, signal) => {
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr, all: this.#all });
        this.#hear("");
      });
    });
  }

  /** Waits until what it says matches. */
  async says(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const match = this.#all.match(pattern);
      if (match !== null) return match;
      if (this.child.exitCode !== null) throw new Error(`it ended before it said ${pattern}:\n${this.#all}`);
      await new Promise<void>((resolve) => this.#said.push(resolve));
    }
  }

  #hear(chunk: Buffer | string): void {
    this.#all += chunk;
    for (const wake of this.#said.splice(0)) wake();
  }
}

/** Runs `sheaf` to its end. */
export function sheaf(args: readonly string[], options: CliOptions = {}): Promise<CliEnd> {
  return new Cli(args, options).end;
}
