/**
 * Writes files below a folder and nowhere else, whatever paths it is given: a path with "..", and a link on the way, are
 * refused. Synchronous, as reading is.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { dataLoss, failedPrecondition, type SheafError, toSheafError } from "@sheaf/runtime";
import { shown } from "./local-files.ts";
import { requireHash } from "./read-file.ts";

const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const FILE_MODE = 0o644;
const PROGRAM_MODE = 0o755;

export interface Incoming {
  /** Of the commit: "/a/b". */
  readonly path: string;
  readonly executable: boolean;
}

/** A file that comes in pieces. */
export interface BigFile {
  readonly path: string;
  write(chunk: Uint8Array): void;
  /** DATA_LOSS, and no file, when its bytes have another hash. */
  end(sha256: Uint8Array): void;
  /** What came of it is removed. */
  discard(): void;
}

export class FolderWriter {
  readonly #dir: string;
  readonly #localPath: (path: string) => string;
  /** Folders that are known to be real ones. */
  readonly #made = new Set<string>();
  #files = 0;
  #bytes = 0;

  /** `localPath` gives the path below the folder for a path of the commit. */
  constructor(dir: string, localPath: (path: string) => string) {
    this.#dir = dir;
    this.#localPath = localPath;
    attempt(dir, () => makeFolders(dir));
  }

  get written(): { readonly files: number; readonly bytes: number } {
    return { files: this.#files, bytes: this.#bytes };
  }

  write(file: Incoming & { readonly content: Uint8Array }): void {
    const target = this.#place(file.path);
    const fd = create(target, file.executable);
    try {
      attempt(target, () => writeAll(fd, file.content));
    } catch (error) {
      removeOpen(fd, target);
      throw error;
    }
    attempt(target, () => closeSync(fd));
    this.#count(file.content.length);
  }

  begin({ path, executable }: Incoming): BigFile {
    const target = this.#place(path);
    const fd = create(target, executable);
    const hash = createHash("sha256");
    let bytes = 0;
    const discard = () => removeOpen(fd, target);
    return {
      path,
      write: (chunk) => {
        hash.update(chunk);
        bytes += chunk.length;
        attempt(target, () => writeAll(fd, chunk));
      },
      end: (sha256) => {
        try {
          requireHash(path, hash, sha256);
        } catch (error) {
          discard();
          throw error;
        }
        closeSync(fd);
        this.#count(bytes);
      },
      discard,
    };
  }

  #count(bytes: number): void {
    this.#files++;
    this.#bytes += bytes;
  }

  #place(path: string): string {
    const parts = this.#localPath(path).split("/");
    if (parts.some((part) => part === "" || part === "." || part === ".." || part.includes("\0"))) {
      throw dataLoss("PATH_INVALID", `the commit has a path that cannot be a file: ${shown(path)}`);
    }
    let folder = this.#dir;
    for (const part of parts.slice(0, -1)) {
      folder = join(folder, part);
      if (!this.#made.has(folder)) this.#makeFolder(folder);
    }
    return join(folder, parts.at(-1) ?? "");
  }

  #makeFolder(folder: string): void {
    attempt(folder, () => {
      if (!existsSync(folder)) mkdirSync(folder);
    });
    if (!lstatSync(folder).isDirectory()) {
      throw failedPrecondition("FOLDER_IS_A_LINK", `${shown(folder)} is a link: nothing is written through it`);
    }
    this.#made.add(folder);
  }
}

/** Node's own `recursive` never returns where a file system makes no folders, like /proc. */
function makeFolders(path: string): void {
  const missing: string[] = [];
  for (let folder = path; !existsSync(folder); folder = dirname(folder)) missing.push(folder);
  for (const folder of missing.reverse()) mkdirSync(folder);
}

/** A pipe would take no more than it has room for; a device, like /dev/null, takes what it is given. */
function create(target: string, executable: boolean): number {
  const fd = attempt(target, () => openSync(target, FLAGS, executable ? PROGRAM_MODE : FILE_MODE));
  if (!fstatSync(fd).isFIFO()) return fd;
  closeSync(fd);
  throw notWritable(target, A_PIPE);
}

/** Half a file is none. What is no file was there before, and stays. */
function removeOpen(fd: number, target: string): void {
  const isFile = fstatSync(fd).isFile();
  closeSync(fd);
  if (isFile) rmSync(target, { force: true });
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

function attempt<T>(target: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw cannotWrite(error, target);
  }
}

const A_PIPE = "it is a pipe or a socket";

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  ELOOP: "it is a link",
  EISDIR: "it is a folder",
  ENXIO: A_PIPE,
  ENOTDIR: "a part of its path is a file",
  EEXIST: "it is a file",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is reached",
  EROFS: "the file system is read-only",
  ENAMETOOLONG: "the name is too long for this file system",
};

function cannotWrite(thrown: unknown, target: string): SheafError {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  // What has no code is no answer of the file system.
  if (code === "" || !(thrown instanceof Error)) return toSheafError(thrown);
  return notWritable(target, REASONS[code] ?? thrown.message, thrown);
}

function notWritable(target: string, why: string, cause?: unknown): SheafError {
  const options = cause === undefined ? {} : { cause };
  return failedPrecondition("FILE_NOT_WRITABLE", `cannot write ${shown(target)}: ${why}`, options);
}
