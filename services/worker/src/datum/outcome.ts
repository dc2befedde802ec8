// What the end of a command means for its datum. Pure.

import { constants } from "node:os";
import type { Ended } from "../launcher/slot.ts";

/** A datum's failure: a code for programs, and a message for people. */
export interface Failure {
  /** "EXIT_1", "SIGNAL_15", "OOM", "TIMEOUT", "COMMAND_NOT_FOUND", "SYMLINK_ESCAPE", ... */
  readonly reason: string;
  readonly message: string;
}

/** What the messages name. */
export interface Attempted {
  readonly argv: readonly string[];
  /** The PATH that the command was searched in; undefined: that of its container. */
  readonly path: string | undefined;
  readonly workingDir: string;
  readonly timeoutMs: number | undefined;
  /** Exit codes beside 0 that mean success. */
  readonly accepted: ReadonlySet<number>;
  /** The limit of its memory as the spec has it; empty: none. */
  readonly memory: string;
  /** Last line that the command wrote to standard error. */
  readonly lastWords: string;
}

const MESSAGE_BYTES_MAX = 1_024;
const SIGNAL_BASE = 128;
/** Of SIGKILL, which is how the kernel ends a process that takes too much memory. */
const KILLED = SIGNAL_BASE + constants.signals.SIGKILL;

/** Undefined: the command did well. Not to be asked about a command that was killed or lost: that is not its own doing. */
export function failureOf(ended: Ended & { kind: "exited" | "timed-out" }, attempted: Attempted): Failure | undefined {
  if (ended.kind === "timed-out") {
    const who = attempted.argv.length === 0 ? "the handler" : "the command";
    return failure(
      "TIMEOUT",
      `${who} ran longer than datum_timeout, ${attempted.timeoutMs} ms, and was killed`,
      attempted,
    );
  }
  const { status, why, oom } = ended;
  const command = JSON.stringify(attempted.argv[0] ?? "");
  switch (why) {
    case "missing":
      return failure(
        "COMMAND_NOT_FOUND",
        `the command ${command} does not exist (${whereSought(attempted)})`,
        attempted,
      );
    case "denied":
      return failure(
        "NOT_EXECUTABLE",
        `the command ${command} is not an executable file (${whereSought(attempted)})`,
        attempted,
      );
    case "no-working-dir":
      return failure(
        "NO_WORKING_DIR",
        `working_dir ${JSON.stringify(attempted.workingDir)} is not a folder here`,
        attempted,
      );
    case "no-folder":
      return failure("SCRATCH_LOST", "the folder of the datum was removed before the command began", attempted);
    case "":
      break;
  }
  if (status === 0 || attempted.accepted.has(status)) return undefined;
  if (oom ?? status === KILLED) return oomFailure(oom === true, attempted);
  if (status > SIGNAL_BASE && status < SIGNAL_BASE + 65) return signalFailure(status - SIGNAL_BASE, attempted);
  return failure(`EXIT_${status}`, `the command exited with code ${status}`, attempted);
}

/** Of a datum that is not run, because so many distinct workers were lost with it alone in their claim (L9). */
export function quarantineOf(losses: number): Failure {
  const message = `${losses} workers, one after another, were lost while they ran this and nothing else; it is not run again`;
  return { reason: "QUARANTINED", message };
}

/** Of a datum that err_cmd could not save either. */
export function notSaved({ reason, message }: Failure, errCmd: Failure): Failure {
  return { reason, message: fitMessage(`${message}; err_cmd failed as well: ${errCmd.message}`) };
}

/** Cuts a text to the bytes that a message may have, never inside a character. */
export function fitMessage(text: string, bytesMax = MESSAGE_BYTES_MAX): string {
  const bytes = Buffer.from(text.toWellFormed());
  if (bytes.length <= bytesMax) return bytes.toString();
  return `${bytes
    .subarray(0, bytesMax - 3)
    .toString()
    .replace(/\ufffd$/, "")}...`;
}

/** A failure of the command's own, like any other (L9): another worker has no more memory for it. */
function oomFailure(isKnown: boolean, attempted: Attempted): Failure {
  const limit = attempted.memory === "" ? "" : `; its limit is ${attempted.memory}`;
  const what = isKnown
    ? `the command needed more memory than it may have, and the kernel ended it${limit}`
    : `the command was ended by SIGKILL, and nobody here sent it: it probably ran out of memory${limit}`;
  return failure("OOM", what, attempted);
}

function signalFailure(signal: number, attempted: Attempted): Failure {
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0] ?? "no known name";
  return failure(`SIGNAL_${signal}`, `the command was ended by signal ${signal} (${name})`, attempted);
}

function failure(reason: string, what: string, { lastWords }: Attempted): Failure {
  return { reason, message: fitMessage(lastWords === "" ? what : `${what}: ${lastWords}`) };
}

function whereSought({ argv, path, workingDir }: Attempted): string {
  if (argv[0]?.startsWith("/")) return "looked for at that path";
  if (argv[0]?.includes("/")) return `looked for in ${workingDir === "" ? "the datum's folder" : workingDir}`;
  return path === undefined ? "not in the PATH of its image" : `PATH is ${path}`;
}
