/** This process as a host. */
import { addAbortSignal } from "node:stream";
import type { WriteStream } from "node:tty";
import { messageOf, systemClock, systemRandom } from "@sheaf/runtime";
import { EXIT } from "./exit-codes.ts";
import type { Host, Interrupt, Sink } from "./host.ts";

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
/** What a shell shows for a program that wrote to a pipe nobody reads. */
const BROKEN_PIPE = { name: "SIGPIPE", exitCode: 141 };
/** A full disk, for one: the command cannot be done. */
const NOT_WRITTEN = { name: "a failed write", exitCode: EXIT.failed };
/** Ctrl-C comes from the terminal, and once more from npm: that is one. */
const SAME_MS = 500;

/** Why standard output took no more. Node itself forgets it: `process.stdout.errored` stays null. */
let notWritten: NodeJS.ErrnoException | undefined;

export function processHost(): Host {
  const { env, argv, stdout, stderr } = process;
  stdout.on("error", (error) => {
    notWritten ??= error;
  });
  return {
    argv: argv.slice(2),
    env,
    cwd: (env["npm_lifecycle_event"] === "sheaf" && env["INIT_CWD"]) || process.cwd(),
    readStdin,
    stdout: sinkOf(stdout),
    stderr: sinkOf(stderr),
    onInterrupt,
    exitNow: (code) => process.exit(code),
    clock: systemClock,
    random: systemRandom,
  };
}

/**
 * The exit code to end with, once all output has left this process, or cannot: an exit would throw away what a slow reader has
 * not taken. A result that got nowhere is no success: whoever reads the file would take a part of a list for all of it.
 */
export async function whenWritten(exitCode: number): Promise<number> {
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  if (notWritten === undefined) return exitCode;
  if (notWritten.code !== "EPIPE") {
    const why = notWritten.code === "ENOSPC" ? "the disk is full" : messageOf(notWritten);
    process.stderr.write(`sheaf: cannot write to standard output: ${why}\n`);
    await flushed(process.stderr);
  }
  return exitCode === EXIT.done ? endOf(notWritten).exitCode : exitCode;
}

/** An error is told a turn after its write. */
async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength > 0) await new Promise<void>((resolve) => stream.write("", () => resolve()));
  await new Promise((resolve) => setImmediate(resolve));
}

function endOf({ code }: NodeJS.ErrnoException): Interrupt {
  return code === "EPIPE" ? BROKEN_PIPE : NOT_WRITTEN;
}

/** Not in one go, as from a file: a terminal has nothing yet, and Ctrl-C is heard only between the pieces. */
async function readStdin(bytesMax: number, signal: AbortSignal): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of addAbortSignal(signal, process.stdin)) {
    pieces.push(piece as Buffer);
    bytes += (piece as Buffer).length;
    if (bytes > bytesMax) break;
  }
  return Buffer.concat(pieces).toString();
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
    stream.once("error", (error) => fn(endOf(error)));
    stream.on("error", () => {}); // what is still written then is not a second wish to end
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
