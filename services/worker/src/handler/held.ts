/**
 * Small datums of handlers do not become files unless somebody asks where they are: their inputs travel to the thread as
 * bytes, and what it writes comes back so. Making, reading and removing a few files costs more than all the rest of a small
 * datum.
 */
import { checkSum, fileEntry, type PackWriter, parsePath, type SegmentReader } from "@sheaf/files";
import type { store } from "@sheaf/proto";
import { aboveLimit } from "../datum/collector.ts";
import type { InputFile } from "../datum/input-modes.ts";
import { fitMessage } from "../datum/outcome.ts";
import type { Uploaded } from "../datum/upload.ts";
import type { ProcessJob } from "../process/job.ts";
import type { HeldFile, WrittenFile } from "./messages.ts";

/** A datum with more in it becomes files at once. */
const HELD_BYTES_MAX = 256 * 1024;
const HELD_FILES_MAX = 64;

/** A datum in memory. */
export interface Held {
  /** Its folder, if the thread makes one. */
  readonly folder: string;
  readonly files: readonly HeldFile[];
}

export function canBeHeld(files: readonly InputFile[]): boolean {
  if (files.length > HELD_FILES_MAX || files.some(({ mode }) => mode !== "content")) return false;
  return files.reduce((bytes, { entry }) => bytes + Number(entry.size), 0) <= HELD_BYTES_MAX;
}

/** Throws what the reader throws. */
export async function hold(inputs: readonly InputFile[], folder: string, reader: SegmentReader): Promise<Held> {
  const files: HeldFile[] = [];
  for (const { path, entry } of inputs) {
    const pieces: Uint8Array[] = [];
    for await (const piece of reader.read(entry.segments)) pieces.push(piece);
    // A copy that is a buffer of its own: of a part of a buffer, all of it would be sent.
    const bytes = pieces.length === 1 ? (pieces[0] as Uint8Array).slice() : new Uint8Array(Buffer.concat(pieces));
    files.push({ path, bytes, executable: entry.executable });
  }
  return { folder, files };
}

/** Stores what a handler wrote. `diskBytes`: the limit of its spec. */
export function uploadWritten(
  files: readonly WrittenFile[],
  packs: PackWriter,
  { isSum, diskBytes }: Pick<ProcessJob, "isSum" | "diskBytes">,
): Uploaded {
  const failure = aboveLimit(
    files.reduce((sum, file) => sum + file.bytes.length, 0),
    diskBytes,
  );
  if (failure !== undefined) return { ok: false, failure };
  const entries: store.FileEntry[] = [];
  const sums = [];
  let bytes = 0;
  for (const { path, bytes: content } of files) {
    const shown = JSON.stringify(path.length > 300 ? `${path.slice(0, 300)}...` : path);
    const parsed = parsePath(path);
    if (!parsed.ok) return failed("BAD_NAME", `the output ${shown} cannot be stored: ${parsed.message}`);
    if (isSum(path)) {
      const fault = checkSum(content);
      if (fault !== null)
        return failed(
          "NOT_A_SUM",
          `${shown} is merged by sum, but its line ${fault.line} is not "key TAB number": ${fault.detail}`,
        );
      sums.push({ path, lines: content });
    }
    entries.push(fileEntry(path, packs.add(content), {}));
    bytes += content.length;
  }
  return { ok: true, entries, sums, bytes };
}

function failed(reason: string, message: string): Uploaded {
  return { ok: false, failure: { reason, message: fitMessage(message) } };
}
