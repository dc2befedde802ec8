/** A process of the cluster. It dies with the process that started it, however that ends, so nothing is left to look for. */
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const LOG_LINES = 15;
const POLL_MS = 50;

export class Daemon {
  readonly name: string;
  readonly pid: number;
  readonly ended: Promise<void>;
  readonly #log: string;
  #over = false;

  /** Starts `argv`; what it prints goes to the end of the file `log`. */
  constructor(name: string, argv: readonly string[], log: string) {
    const out = openSync(log, "a");
    // The kernel kills it when we are gone. A session of its own: Ctrl-C is for us, and we stop it in order.
    const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...argv], {
      detached: true,
      stdio: ["ignore", out, out],
    });
    closeSync(out);
    this.name = name;
    this.#log = log;
    this.ended = new Promise((resolve) => {
      child.once("error", () => resolve()).once("exit", () => resolve());
    });
    void this.ended.then(() => {
      this.#over = true;
    });
    this.pid = child.pid ?? 0;
    if (child.pid === undefined) throw new Error(`${name} did not start: is ${argv[0]} there?`);
  }

  /** Ends the process that it waits for, and so itself: for `unshare`, whose child takes a whole namespace with it. */
  async endChild(): Promise<void> {
    const children = this.#over ? "" : readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, "utf8");
    for (const child of children.trim().split(" ").filter(Boolean)) process.kill(Number(child), "SIGKILL");
    await this.ended;
  }

  /** It stands still, until it is ended. */
  freeze(): void {
    process.kill(this.pid, "SIGSTOP");
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    if (!this.#over) process.kill(this.pid, signal);
    await this.ended;
  }

  /** Waits until it is so, by looking; not longer than `ms`, and not after it has ended. */
  async until(isSo: () => boolean | Promise<boolean>, what: string, ms: number): Promise<void> {
    const end = performance.now() + ms;
    while (!(await isSo())) {
      const why = this.#over
        ? `${this.name} ended`
        : performance.now() > end
          ? `not so after ${ms / 1000} s`
          : undefined;
      if (why) throw new Error(`${why}: ${what}. The end of ${this.#log}:\n${this.tail()}`);
      await sleep(POLL_MS);
    }
  }

  tail(): string {
    return readFileSync(this.#log, "utf8").trimEnd().split("\n").slice(-LOG_LINES).join("\n");
  }
}
