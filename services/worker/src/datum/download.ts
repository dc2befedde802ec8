// Puts the files of a datum where the command will see them. Small-file I/O is synchronous: through the thread pool it costs
// twice as much (reference figures in the README), and this thread has nothing else to answer for.

import { closeSync, openSync } from "node:fs";
import type { SegmentReader } from "@sheaf/files";
import type { store } from "@sheaf/proto";
import { messageOf, SheafError } from "@sheaf/runtime";
import type { DatumFolder } from "../scratch/datum-folders.ts";
import type { InputFile } from "./input-modes.ts";
import { type FifoPool, LAZY_FILES_MAX } from "./lazy-files.ts";
import { type Failure, fitMessage } from "./outcome.ts";

export type Downloaded =
  | { readonly kind: "ready"; readonly bytes: number }
  /** The scratch folder cannot take it, mostly for want of room: nobody's fault but this machine's. */
  | { readonly kind: "no-scratch"; readonly detail: string }
  /** The store does not answer: try again later. */
  | { readonly kind: "store-away"; readonly detail: string }
  /** What the store holds is not what was put there, or is gone; or the datum is one that cannot be prepared anywhere. */
  | { readonly kind: "impossible"; readonly failure: Failure };

// The command gets copies that it may read, run, and, if it must, destroy. Not hard links: the user that owns a file (or
// root) can write to it whatever its mode, and the store's own bytes must never change.
const FILE_MODE = 0o444;
const EXECUTABLE_MODE = 0o555;

/** Puts the inputs into the datum's folder. */
export async function download(
  files: readonly InputFile[],
  folder: DatumFolder,
  reader: SegmentReader,
  fifos: FifoPool,
): Promise<Downloaded> {
  const lazy = files.reduce((count, { mode }) => count + (mode === "lazy" ? 1 : 0), 0);
  if (lazy > LAZY_FILES_MAX)
    return impossible("TOO_MANY_LAZY_FILES", `${lazy} lazy files in one datum: at most ${LAZY_FILES_MAX}`);
  try {
    folder.prepare(files.map(({ path }) => path));
    let bytes = 0;
    for (const { path, entry, mode } of files) {
      const at = `${folder.pfs}/${path}`;
      if (mode === "content") bytes += await writeFile(at, entry, reader);
      else if (mode === "lazy") fifos.place(at);
      else closeSync(openSync(at, "wx", modeOf(entry)));
    }
    return { kind: "ready", bytes };
  } catch (error) {
    return whatWentWrong(error);
  }
}

function modeOf({ executable }: store.FileEntry): number {
  return executable ? EXECUTABLE_MODE : FILE_MODE;
}

async function writeFile(path: string, file: store.FileEntry, reader: SegmentReader): Promise<number> {
  const fd = openSync(path, "wx", modeOf(file));
  try {
    return await reader.copy(file.segments, fd);
  } finally {
    closeSync(fd);
  }
}

/** What an error on the way to an input's bytes means: the store's or the machine's. Throws what is neither, and so a fault of ours. */
export function whatWentWrong(error: unknown): Exclude<Downloaded, { kind: "ready" }> {
  const detail = messageOf(error);
  if (error instanceof SheafError)
    return error.code === "DATA_LOSS" ? impossible("INPUT_DAMAGED", detail) : { kind: "store-away", detail };
  if (error instanceof Error && "syscall" in error) return { kind: "no-scratch", detail };
  throw error;
}

function impossible(reason: string, message: string): { readonly kind: "impossible"; readonly failure: Failure } {
  return { kind: "impossible", failure: { reason, message: fitMessage(message) } };
}
