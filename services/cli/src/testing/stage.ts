/** Where a test calls the program: a temporary folder that the user stands in, and a fake cluster when one is wanted. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type FakeCluster, type FakeClusterOptions, fakeCluster } from "@sheaf/client";
import { systemClock, systemRandom } from "@sheaf/runtime";
import { runCli } from "../cli.ts";
import type { Sink } from "../host.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Stage implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), "sheaf-cli-"));
  #cluster: FakeCluster | undefined;

  /** From now on SHEAF_ADDRESS is set. */
  async startCluster(options: FakeClusterOptions = {}): Promise<FakeCluster> {
    this.#cluster = await fakeCluster(options);
    return this.#cluster;
  }

  /** A folder "in" with these files. */
  input(files: Readonly<Record<string, string>>): void {
    mkdirSync(join(this.dir, "in"));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.dir, "in", name), text);
  }

  /** The program as a process of its own. */
  start(
    args: readonly string[],
    more: Readonly<Record<string, string>> = {},
  ): { child: ChildProcess; ended: Promise<Ended> } {
    const { PATH = "", HOME = "" } = process.env;
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: this.dir,
      env: { PATH, HOME, ...this.#env(), ...more },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const out = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].on("data", (data) => {
        out[name] += data;
      });
    }
    return { child, ended: new Promise((resolve) => child.on("close", (code) => resolve({ code, ...out }))) };
  }

  /** The same in this process, which is quicker. */
  async call(...args: string[]): Promise<Ended> {
    const out = { stdout: "", stderr: "" };
    const sink = (name: "stdout" | "stderr"): Sink => ({
      isTTY: false,
      columns: () => 80,
      write: (data) => {
        out[name] += typeof data === "string" ? data : Buffer.from(data).toString();
      },
      flush: async () => {},
    });
    const code = await runCli({
      argv: args,
      env: this.#env(),
      cwd: this.dir,
      readStdin: async () => "",
      stdout: sink("stdout"),
      stderr: sink("stderr"),
      onInterrupt: () => {},
      exitNow: () => {},
      clock: systemClock,
      random: systemRandom,
    });
    return { code, ...out };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster?.[Symbol.asyncDispose]();
    rmSync(this.dir, { recursive: true, force: true });
  }

  #env(): Record<string, string> {
    return this.#cluster === undefined ? {} : { SHEAF_ADDRESS: this.#cluster.address };
  }
}
