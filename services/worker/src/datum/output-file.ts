/**
 * Opens what a command left, so that what is read is what was looked at. In a PID namespace nothing of the command is alive by
 * then. A process group can be left: a survivor may exchange a file, or a folder above it, between the look and the opening, or
 * write to it while it is read. So:
 *
 * O1. A file is opened with O_NOFOLLOW | O_NONBLOCK, must be the regular file that was looked at (inode, size, time of change), and
 *     must lie where it was seen (the kernel tells the path of what is open).
 * O5. When it has been read, its size and times must still be the same. Times of change, which a process cannot set.
 */
import { closeSync, constants, fstatSync, openSync, readlinkSync, type Stats } from "node:fs";
import type { store } from "@sheaf/proto";
import type { Failure } from "./outcome.ts";

/** A file to store. */
export type OutputFile =
  | {
      readonly kind: "file";
      /** In the output: "/a/b". */
      readonly path: string;
      /** Where its bytes are; free of links. */
      readonly source: string | Buffer;
      readonly look: Look;
    }
  /** A link to an input whose content is not here: the output gets that content without a byte being moved. */
  | { readonly kind: "reference"; readonly path: string; readonly entry: store.FileEntry };

/** What tells one state of a file from another. */
export interface Look {
  readonly ino: number;
  readonly size: number;
  readonly changedMs: number;
}

/** A file that is open for reading, or why it cannot be. Who gets it closes it. */
export type OpenedFile =
  | { readonly ok: true; readonly fd: number; readonly size: number; readonly executable: boolean }
  | { readonly ok: false; readonly failure: Failure };

export function lookOf(stat: Stats): Look {
  return { ino: stat.ino, size: stat.size, changedMs: stat.ctimeMs };
}

/** O1. */
export function openOutput(file: OutputFile & { kind: "file" }): OpenedFile {
  let fd: number;
  try {
    fd = openSync(file.source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    return { ok: false, failure: unreadable(file.path, error) };
  }
  const stat = fstatSync(fd);
  if (stat.isFile() && isSame(stat, file.look) && isAt(fd, file.source))
    return { ok: true, fd, size: stat.size, executable: (stat.mode & 0o100) !== 0 };
  closeSync(fd);
  return { ok: false, failure: changed(file.path) };
}

/** O5. Undefined: all is as it was. */
export function changedSince(file: OutputFile & { kind: "file" }, fd: number): Failure | undefined {
  return isSame(fstatSync(fd), file.look) ? undefined : changed(file.path);
}

/** Why a file or folder of the output cannot be read. Throws what is not the command's doing. */
export function unreadable(path: string, error: unknown): Failure {
  switch (codeOf(error)) {
    case "EACCES":
    case "EPERM":
      return {
        reason: "OUTPUT_UNREADABLE",
        message: `the output ${show(path)} cannot be read: its mode forbids it; the command must leave it readable to its owner`,
      };
    case "ENOENT":
    case "ELOOP":
    case "ENOTDIR":
    case "ENXIO":
      return changed(path);
    default:
      throw error;
  }
}

function changed(path: string): Failure {
  const message = `the output ${show(path)} was changed after the command had ended: something that it started still runs`;
  return { reason: "OUTPUT_CHANGED", message };
}

function isSame(stat: Stats, { ino, size, changedMs }: Look): boolean {
  return stat.ino === ino && stat.size === size && stat.ctimeMs === changedMs;
}

function isAt(fd: number, source: string | Buffer): boolean {
  if (process.platform !== "linux") return true;
  return readlinkSync(`/proc/self/fd/${fd}`, "buffer").equals(Buffer.from(source as string));
}

export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** For messages: quoted, control characters escaped, cut to a bearable length. */
export function show(path: string): string {
  return JSON.stringify(path.length > 300 ? `${path.slice(0, 300)}...` : path);
}
