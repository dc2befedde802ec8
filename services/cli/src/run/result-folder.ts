/**
 * The folder that a result goes to. What is fetched lies in a hidden folder inside it until all of it is there: an end in
 * the middle leaves no half result, and nothing of the user's is ever removed.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { invalidArgument, messageOf } from "@sheaf/runtime";

const STAGE = ".sheaf-partial";

export interface ResultFolder {
  readonly path: string;
  /** Where the files are written first. */
  readonly stage: string;
  /** Moves what was written to its place. */
  accept(): void;
  /** Removes what was not accepted, and the folders that were made for it. Twice is harmless. */
  clean(): void;
}

/** Makes the folder when it is missing. INVALID_ARGUMENT when it holds anything, or cannot be made. */
export function prepareResultFolder(path: string): ResultFolder {
  requireEmpty(path);
  const missing = missingFolders(path);
  let made = missing[0];
  const stage = join(path, STAGE);
  try {
    for (const folder of [...missing, stage]) mkdirSync(folder);
  } catch (error) {
    removeMade(path, made);
    throw invalidArgument(
      "OUTPUT_NOT_WRITABLE",
      `cannot write to the output folder ${JSON.stringify(path)}: ${messageOf(error)}`,
    );
  }
  return {
    path,
    stage,
    accept: () => {
      for (const name of readdirSync(stage)) renameSync(join(stage, name), join(path, name));
      rmdirSync(stage);
      made = undefined;
    },
    clean: () => {
      rmSync(stage, { recursive: true, force: true });
      removeMade(path, made);
      made = undefined;
    },
  };
}

function requireEmpty(path: string): void {
  const shown = JSON.stringify(path);
  const names = namesIn(path, shown);
  if (names.length === 0) return;
  if (names.length === 1 && names[0] === STAGE) {
    const stage = JSON.stringify(join(path, STAGE));
    throw invalidArgument(
      "OUTPUT_NOT_EMPTY",
      `${stage} is of another run that still goes on, or was killed: when none goes on, remove it; else give another folder with -o`,
    );
  }
  throw invalidArgument(
    "OUTPUT_NOT_EMPTY",
    `the output folder ${shown} is not empty: give an empty or a new one with -o`,
  );
}

function namesIn(path: string, shown: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw invalidArgument("OUTPUT_NOT_A_FOLDER", `the output folder ${shown} cannot be used: ${messageOf(error)}`);
  }
}

/**
 * Those on the way to it that are not there, the outermost first. Node's own `recursive` never returns where a file system
 * makes no folders, like /proc.
 */
function missingFolders(path: string): string[] {
  const missing: string[] = [];
  for (let folder = path; !existsSync(folder); folder = dirname(folder)) missing.unshift(folder);
  return missing;
}

/** From the folder up to the first that was made, as long as they are empty. */
function removeMade(path: string, made: string | undefined): void {
  if (made === undefined) return;
  for (let folder = path; folder.startsWith(made); folder = dirname(folder)) {
    try {
      rmdirSync(folder);
    } catch {
      // It was not made after all, or somebody put something there: it stays.
    }
  }
}
