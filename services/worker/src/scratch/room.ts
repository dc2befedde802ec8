import { statfsSync } from "node:fs";

/** With less than that, a disk is full: what a command could not write is not there to be counted. */
const BYTES_MIN = 1024 * 1024;
const FILES_MIN = 16;

/** What a disk may lack: room for bytes, or for files. */
export type Lack = "room" | "room for files";

/** Of the folder's disk. Undefined: nothing, or there is no such folder any more, which is another trouble. */
export function lackOn(folder: string): Lack | undefined {
  try {
    const { bavail, bsize, files, ffree } = statfsSync(folder);
    if (bavail * bsize < BYTES_MIN) return "room";
    // Some file systems have no limit on files, and say 0.
    return files > 0 && ffree < FILES_MIN ? "room for files" : undefined;
  } catch {
    return undefined;
  }
}

/** Of the folder's disk; all there are, when there is no such folder: whoever writes to it hears that from the system. */
export function bytesFreeIn(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
