/** What `sheaf run` is asked to do, checked before anything is started. */
import { statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { invalidArgument } from "@sheaf/runtime";

/** More than this many only on demand: each worker is a process. */
const DEFAULT_WORKERS_MAX = 8;

export interface RunFlags {
  readonly input: string;
  readonly glob: string;
  readonly output: string;
  readonly workers?: number;
  readonly merge: string;
}

export interface RunPlan {
  /** Absolute. */
  readonly inputDir: string;
  readonly outputDir: string;
  readonly glob: string;
  readonly workers: number;
  /** The strategy as a word: "concat". */
  readonly merge: string;
  readonly command: readonly string[];
}

/** INVALID_ARGUMENT. Paths are relative to where the user stands. */
export function planRun(flags: RunFlags, command: readonly string[], cwd: string): RunPlan {
  const inputDir = resolve(cwd, flags.input);
  requireFolder(inputDir);
  if (command[0] === "") {
    throw invalidArgument("COMMAND_EMPTY", "the command after -- is empty: it names the program to run");
  }
  return {
    inputDir,
    outputDir: resolve(cwd, flags.output),
    glob: flags.glob,
    workers: flags.workers ?? Math.min(availableParallelism(), DEFAULT_WORKERS_MAX),
    merge: flags.merge,
    command,
  };
}

function requireFolder(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  const shown = JSON.stringify(path);
  if (stats === undefined)
    throw invalidArgument("INPUT_NOT_FOUND", `the input folder ${shown} does not exist: check -i`);
  if (!stats.isDirectory())
    throw invalidArgument("INPUT_NOT_A_FOLDER", `the input ${shown} is not a folder: give one with -i`);
}
