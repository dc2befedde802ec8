/** What `sheaf run` is asked to do, checked before anything is started. */
import { statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { readHandler } from "@sheaf/client";
import { invalidArgument } from "@sheaf/runtime";

/** More than this many only on demand: each worker is a process. */
const DEFAULT_WORKERS_MAX = 8;

export interface RunFlags {
  readonly input: string;
  readonly glob: string;
  readonly output: string;
  readonly workers?: number;
  readonly merge: string;
  readonly batch?: boolean;
  readonly handler?: string;
  readonly store?: string;
}

/** What runs the datums. */
export type Program =
  | {
      readonly t: "command";
      readonly argv: readonly string[];
      /** It is started once and takes datum after datum. */
      readonly batch: boolean;
    }
  /** `text`: that of the module. */
  | { readonly t: "handler"; readonly text: string };

export interface RunPlan {
  /** Absolute. */
  readonly inputDir: string;
  readonly outputDir: string;
  readonly glob: string;
  readonly workers: number;
  /** The strategy as a word: "concat". */
  readonly merge: string;
  readonly program: Program;
}

/** INVALID_ARGUMENT. Paths are relative to where the user stands. */
export function planRun(flags: RunFlags, command: readonly string[], cwd: string): RunPlan {
  const inputDir = resolve(cwd, flags.input);
  requireFolder(inputDir);
  return {
    inputDir,
    outputDir: resolve(cwd, flags.output),
    glob: flags.glob,
    workers: flags.workers ?? Math.min(availableParallelism(), DEFAULT_WORKERS_MAX),
    merge: flags.merge,
    program: programOf(flags, command, cwd),
  };
}

function programOf({ batch = false, handler }: RunFlags, argv: readonly string[], cwd: string): Program {
  if (handler !== undefined) {
    if (batch || argv.length > 0)
      throw invalidArgument("PROGRAMS_MIXED", "give --handler alone: without --batch, and without a command after --");
    return { t: "handler", text: readHandler(resolve(cwd, handler)) };
  }
  if (argv.length === 0)
    throw invalidArgument("COMMAND_MISSING", "what is to be run? Give a command after --, or a module with --handler");
  if (argv[0] === "")
    throw invalidArgument("COMMAND_EMPTY", "the command after -- is empty: it names the program to run");
  const placeholder = batch ? argv.find((word) => word.includes("{}") || word.includes("{out}")) : undefined;
  if (placeholder !== undefined) {
    const shown = JSON.stringify(placeholder);
    throw invalidArgument(
      "PLACEHOLDER_IN_BATCH",
      `with --batch ${shown} stands for nothing: the paths come with each datum`,
    );
  }
  return { t: "command", argv, batch };
}

function requireFolder(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  const shown = JSON.stringify(path);
  if (stats === undefined)
    throw invalidArgument("INPUT_NOT_FOUND", `the input folder ${shown} does not exist: check -i`);
  if (!stats.isDirectory())
    throw invalidArgument("INPUT_NOT_A_FOLDER", `the input ${shown} is not a folder: give one with -i`);
}
