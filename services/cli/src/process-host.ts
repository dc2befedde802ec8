/** This process as a host. */
import type { WriteStream } from "node:tty";
import { systemClock, systemRandom } from "@sheaf/runtime";
import type { Host, Interrupt, Sink } from "./host.ts";

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
/** What a shell shows for a program that wrote to a pipe nobody reads. */
const BROKEN_PIPE = { name: "SIGPIPE", exitCode: 141 };
/** Ctrl-C comes from the terminal, and once more from npm: that is one. */
const SAME_MS = 500;

export function processHost(): Host {
  const { env, argv, stdout, stderr } = process;
  return {
    argv: argv.slice(2),
    env,
    cwd: (env["npm_lifecycle_event"] === "sheaf" && env["INIT_CWD"]) || process.cwd(),
    stdout: sinkOf(stdout),
    stderr: sinkOf(stderr),
    onInterrupt,
    exitNow: (code) => process.exit(code),
    clock: systemClock,
    random: systemRandom,
  };
}

/** Resolves when all output has left this process, or cannot: an exit would throw away what a slow reader has not taken. */
export async function written(): Promise<void> {
  const outputs = [process.stdout, process.stderr];
  await Promise.all(outputs.map((stream) => new Promise<void>((resolve) => stream.write("", () => resolve()))));
}

function onInterrupt(fn: (interrupt: Interrupt) => void): void {
  const last = new Map<string, number>();
  for (const [name, exitCode] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      const now = systemClock.now();
      if (now - (last.get(name) ?? Number.NEGATIVE_INFINITY) > SAME_MS) fn({ name, exitCode });
      last.set(name, now);
    });
  }
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", () => fn(BROKEN_PIPE));
  }
}

function sinkOf(stream: NodeJS.WriteStream): Sink {
  return {
    isTTY: stream.isTTY === true,
    columns: () => (stream as WriteStream).columns || 80,
    write: (data) => void stream.write(data),
    flush: () =>
      stream.writableNeedDrain
        ? new Promise((resolve) => {
            stream.once("drain", resolve);
            stream.once("error", () => resolve());
          })
        : Promise.resolve(),
  };
}
