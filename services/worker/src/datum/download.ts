// Puts the files of a datum where the command will see them. Small-file I/O is synchronous: through the thread pool it costs
// twice as much (reference figures in the README), and this thread has nothing else to answer for.

import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { SegmentReader } from "@sheaf/files";
import type { store } from "@sheaf/proto";
import { messageOf, SheafError } from "@sheaf/runtime";
import type { DatumFolder } from "../scratch/datum-folders.ts";

export type Downloaded =
  | { readonly kind: "ready"; readonly bytes: number }
  /** No room in the scratch folder: nobody's fault but this machine's. */
  | { readonly kind: "scratch-full"; readonly detail: string }
  /** The store does not answer: try again later. */
  | { readonly kind: "store-away"; readonly detail: string }
  /** What the store holds is not what was put there, or is gone. */
  | { readonly kind: "damaged"; readonly detail: string };

// The command gets copies that it may read, run, and, if it must, destroy. Not hard links: the user that owns a file (or
// root) can write to it whatever its mode, and the store's own bytes must never change.
const FILE_MODE = 0o444;
const EXECUTABLE_MODE = 0o555;

const NO_ROOM = new Set(["ENOSPC", "EDQUOT", "EMFILE", "ENFILE"]);

/** Puts the inputs into the datum's folder. */
export async function download(datum: store.Datum, folder: DatumFolder, reader: SegmentReader): Promise<Downloaded> {
  const files = datum.inputs.flatMap((input) =>
    input.files.map((file) => ({ path: `${input.name}${file.path}`, file })),
  );
  try {
    folder.prepare(files.map(({ path }) => path));
    let bytes = 0;
    for (const { path, file } of files) bytes += await writeFile(join(folder.pfs, path), file, reader);
    return { kind: "ready", bytes };
  } catch (error) {
    return whatWentWrong(error);
  }
}

async function writeFile(path: string, file: store.FileEntry, reader: SegmentReader): Promise<number> {
  const fd = openSync(path, "wx", file.executable ? EXECUTABLE_MODE : FILE_MODE);
  try {
    let bytes = 0;
    for await (const piece of reader.read(file.segments)) {
      for (let at = 0; at < piece.length; ) at += writeSync(fd, piece, at);
      bytes += piece.length;
    }
    return bytes;
  } finally {
    closeSync(fd);
  }
}

/** Of an error while the inputs were read or written. */
export function whatWentWrong(error: unknown): Downloaded {
  const detail = messageOf(error);
  if (error instanceof SheafError) return { kind: error.code === "DATA_LOSS" ? "damaged" : "store-away", detail };
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (NO_ROOM.has(code)) return { kind: "scratch-full", detail };
  throw error;
}
