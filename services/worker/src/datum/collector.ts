/**
 * Finds what a command left in its output folder. The command is dead by then, but what it left is not to be trusted: a
 * link may point anywhere, a FIFO blocks who opens it, a name may be no text.
 *
 * O1. Nothing is followed by accident: entries are looked at with lstat and opened with O_NOFOLLOW | O_NONBLOCK, and what
 *     was opened must be a regular file.
 * O2. A symbolic link to a file or folder inside out/ or inside the datum's inputs is stored as a copy of it. Any other
 *     fails the datum.
 * O3. Names are read as bytes: read as text, a name that is not UTF-8 would be lost silently.
 * O4. The walk is iterative, sorted, and limited in depth and number.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, realpathSync } from "node:fs";
import { parsePath } from "@sheaf/files";
import type { Failure } from "./outcome.ts";

/** A file to store. */
export interface OutputFile {
  /** In the output: "/a/b". */
  readonly path: string;
  /** Where its bytes are. */
  readonly source: Buffer;
}

export type Collected =
  | { readonly ok: true; readonly files: readonly OutputFile[] }
  | { readonly ok: false; readonly failure: Failure };

export interface CollectorLimits {
  readonly depth: number;
  readonly entries: number;
}

const LIMITS: CollectorLimits = { depth: 100, entries: 1_000_000 };
const SLASH = Buffer.from("/");

interface Folder {
  /** In the output: "" for the top, or "/a". */
  readonly path: string;
  readonly source: Buffer;
  readonly depth: number;
}

/**
 * Lists the regular files in `out`, in the order of their paths within each folder. `inputs` is the folder of the inputs.
 * Empty folders are dropped.
 */
export function collect(out: string, inputs: string, limits: CollectorLimits = LIMITS): Collected {
  // Only links need it, and few datums have links.
  let real: readonly string[] | undefined;
  const roots = () => (real ??= [realpathSync(out), realpathSync(inputs)]);
  const files: OutputFile[] = [];
  const todo: Folder[] = [{ path: "", source: Buffer.from(out), depth: 1 }];
  let entries = 0;
  for (let folder = todo.pop(); folder !== undefined; folder = todo.pop()) {
    if (folder.depth > limits.depth)
      return failed("OUTPUT_TOO_DEEP", `${show(folder.path)} is more than ${limits.depth} folders deep`);
    for (const entry of readdirSync(folder.source, { withFileTypes: true, encoding: "buffer" })) {
      if (++entries > limits.entries)
        return failed("TOO_MANY_OUTPUTS", `a datum may write ${limits.entries} files; this one wrote more`);
      const name = textOf(entry.name);
      const path = `${folder.path}/${name ?? escaped(entry.name)}`;
      const bad = name === undefined ? "it is not valid UTF-8" : wrongPath(path);
      if (bad !== undefined) return failed("BAD_NAME", `the output ${show(path)} cannot be stored: ${bad}`);
      const source = Buffer.concat([folder.source, SLASH, entry.name]);
      const kind = entry.isSymbolicLink() ? kindOfTarget(source, folder, roots()) : kindOf(entry);
      switch (kind.kind) {
        case "file":
          files.push({ path, source: kind.source ?? source });
          break;
        case "folder":
          todo.push({ path, source: kind.source ?? source, depth: folder.depth + 1 });
          break;
        case "escape":
          return failed("SYMLINK_ESCAPE", `the output ${show(path)} is a symbolic link ${kind.detail}`);
        case "special":
          return failed("SPECIAL_FILE", `the output ${show(path)} is no regular file but ${kind.detail}`);
      }
    }
  }
  return { ok: true, files };
}

/** O1. A file that is open for reading, or why it cannot be. Who gets it closes it. */
export type OpenedFile =
  | { readonly ok: true; readonly fd: number; readonly size: number; readonly executable: boolean }
  | { readonly ok: false; readonly failure: Failure };

export function openOutput(file: OutputFile): OpenedFile {
  let fd: number;
  try {
    fd = openSync(file.source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    return { ...failed("OUTPUT_UNREADABLE", `the output ${show(file.path)} cannot be read: ${codeOf(error)}`) };
  }
  const stat = fstatSync(fd);
  if (stat.isFile()) return { ok: true, fd, size: stat.size, executable: (stat.mode & 0o100) !== 0 };
  closeSync(fd);
  return failed("SPECIAL_FILE", `the output ${show(file.path)} is no regular file`);
}

type EntryKind =
  | { readonly kind: "file"; readonly source?: Buffer }
  | { readonly kind: "folder"; readonly source?: Buffer }
  | { readonly kind: "escape"; readonly detail: string }
  | { readonly kind: "special"; readonly detail: string };

interface Typed {
  isFile(): boolean;
  isDirectory(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
  isCharacterDevice(): boolean;
  isBlockDevice(): boolean;
}

function kindOf(entry: Typed): EntryKind {
  if (entry.isFile()) return { kind: "file" };
  if (entry.isDirectory()) return { kind: "folder" };
  if (entry.isFIFO()) return { kind: "special", detail: "a FIFO" };
  if (entry.isSocket()) return { kind: "special", detail: "a socket" };
  if (entry.isCharacterDevice() || entry.isBlockDevice()) return { kind: "special", detail: "a device" };
  return { kind: "special", detail: "something unknown" };
}

/** O2. */
function kindOfTarget(link: Buffer, folder: Folder, roots: readonly string[]): EntryKind {
  let target: Buffer;
  try {
    target = realpathSync.native(link, "buffer");
  } catch (error) {
    const code = codeOf(error);
    return { kind: "escape", detail: code === "ELOOP" ? "that leads round in a circle" : `to nothing (${code})` };
  }
  const real = target.toString("latin1");
  const isInside = (root: string) => real === root || real.startsWith(`${Buffer.from(root).toString("latin1")}/`);
  if (!roots.some(isInside))
    return { kind: "escape", detail: `to ${escaped(target)}, outside the output and the inputs` };
  const stat = lstatSync(target);
  const at = realpathSync.native(folder.source, "buffer").toString("latin1");
  if (stat.isDirectory() && (at === real || at.startsWith(`${real}/`)))
    return { kind: "escape", detail: "to a folder that it lies in" };
  const kind = kindOf(stat);
  return kind.kind === "file" || kind.kind === "folder" ? { kind: kind.kind, source: target } : kind;
}

/** O3. */
function textOf(name: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(name);
  } catch {
    return undefined;
  }
}

function wrongPath(path: string): string | undefined {
  const parsed = parsePath(path);
  return parsed.ok ? undefined : parsed.message;
}

/** Bytes that are no plain text, shown as \xNN. */
function escaped(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString("latin1")
    .replaceAll(/[^\x20-\x7e]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function show(path: string): string {
  return JSON.stringify(path.length > 300 ? `${path.slice(0, 300)}...` : path);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

function failed(reason: string, message: string): { readonly ok: false; readonly failure: Failure } {
  return { ok: false, failure: { reason, message } };
}
