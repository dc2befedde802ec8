/**
 * The regular files under a folder. Synchronous on purpose: a promise per small file costs more than the file itself.
 * Links are not followed; they, pipes, sockets and devices are counted and left out.
 */
import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  type Stats,
  statSync,
} from "node:fs";
import { join } from "node:path";
import {
  failedPrecondition,
  invalidArgument,
  notFound,
  permissionDenied,
  type SheafError,
  toSheafError,
} from "@sheaf/runtime";

export interface LocalFile {
  /** Relative to the folder, divided by "/": "a/b.txt". A "/" before it changes nothing. */
  readonly path: string;
  /** Where it is. */
  readonly source: string;
}

export interface Skipped {
  links: number;
  /** Pipes, sockets, devices. */
  special: number;
}

/** What `put` reads from: a folder, or a link to one. NOT_FOUND, INVALID_ARGUMENT. */
export function requireFolder(dir: string): void {
  const found = look(() => statSync(dir), dir);
  if (!found.isDirectory()) throw invalidArgument("NOT_A_FOLDER", `${shown(dir)} is not a folder`);
}

/** Files in the order of their names, folder by folder. Memory grows with the folders that wait, not with the files. */
export function* localFiles(dir: string, skipped: Skipped): Generator<LocalFile, void, void> {
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const inside: string[] = [];
    for (const entry of entriesOf(join(dir, folder))) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      const kind = kindOf(entry, join(dir, path));
      if (kind === "file") yield { path, source: join(dir, path) };
      else if (kind === "folder") inside.push(path);
      else skipped[kind]++;
    }
    folders.push(...inside.reverse());
  }
}

export interface OpenFile {
  readonly fd: number;
  /** Infinity: nobody knows before it is read. */
  readonly size: number;
  readonly executable: boolean;
}

/** Opens what was a regular file when it was listed: a link or a pipe that took its place meanwhile is refused. */
export function openFile({ source }: LocalFile): OpenFile {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const fd = look(() => openSync(source, flags), source);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw unreadable(source, "it is not a regular file");
    // Files that are made as they are read, like those of /proc, say that their size is 0.
    const isMade = stats.size === 0 && look(() => readSync(fd, Buffer.alloc(1), 0, 1, 0), source) > 0;
    return { fd, size: isMade ? Number.POSITIVE_INFINITY : stats.size, executable: (stats.mode & 0o111) !== 0 };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Bytes from where the last read ended; fewer than `length` only at the end of the file. */
export function readBytes(fd: number, length: number, source: string): Uint8Array {
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  while (at < length) {
    const got = look(() => readSync(fd, bytes, at, length - at, null), source);
    if (got === 0) break;
    at += got;
  }
  return bytes.subarray(0, at);
}

function entriesOf(folder: string): Dirent[] {
  const entries = look(() => readdirSync(folder, { withFileTypes: true }), folder);
  for (const { name } of entries) if (name.includes("\ufffd")) requireUnicode(folder, name);
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Node shows bytes that are no UTF-8 as U+FFFD; a name may also really hold that character. */
function requireUnicode(folder: string, name: string): void {
  const raw = readdirSync(folder, { encoding: "buffer" });
  if (raw.some((bytes) => bytes.equals(Buffer.from(name)))) return;
  throw invalidArgument(
    "FILE_NAME_NOT_UNICODE",
    `the name of ${shown(join(folder, name))} is not valid UTF-8: rename it, or leave it out; nothing was committed`,
  );
}

function kindOf(entry: Dirent, path: string): "file" | "folder" | keyof Skipped {
  const kind = kindOfStats(entry);
  if (kind !== "unknown") return kind;
  // Some file systems do not say what an entry is.
  const looked = kindOfStats(look(() => lstatSync(path), path));
  return looked === "unknown" ? "special" : looked;
}

function kindOfStats(entry: Dirent | Stats): "file" | "folder" | keyof Skipped | "unknown" {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "folder";
  if (entry.isSymbolicLink()) return "links";
  const isSpecial = entry.isFIFO() || entry.isSocket() || entry.isBlockDevice() || entry.isCharacterDevice();
  return isSpecial ? "special" : "unknown";
}

/** What the file system answers, or an error that names the path and says what it means. */
function look<T>(read: () => T, path: string): T {
  try {
    return read();
  } catch (error) {
    throw cannotRead(error, path);
  }
}

function cannotRead(thrown: unknown, path: string): SheafError {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  if (code === "ENOENT")
    return notFound("FILE_NOT_FOUND", `there is no file or folder ${shown(path)}`, {
      cause: thrown,
    });
  if (code === "EACCES" || code === "EPERM") return unreadable(path, "permission denied", thrown);
  if (code === "ELOOP") return unreadable(path, "it is a link", thrown);
  if (code === undefined || !(thrown instanceof Error)) return toSheafError(thrown);
  return failedPrecondition("FILE_UNREADABLE", `cannot read ${shown(path)}: ${thrown.message}; nothing was committed`, {
    cause: thrown,
  });
}

function unreadable(path: string, why: string, cause?: unknown): SheafError {
  return permissionDenied(
    "FILE_UNREADABLE",
    `cannot read ${shown(path)}: ${why}; nothing was committed. Make it readable or leave it out`,
    cause === undefined ? {} : { cause },
  );
}

/** A path as it may stand in a message. */
export function shown(path: string): string {
  return JSON.stringify(path);
}
