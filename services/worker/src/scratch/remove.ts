/**
 * Removes what commands have left: folders that nobody may enter, or too deep to name, too. Where commands run in containers, one may
 * be alive, and put a link in the place of a folder at any moment. So folders are opened without following links, and what is in
 * one is named by its descriptor: whatever is done happens in that folder, wherever its name leads by now.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from "node:fs";
import { opendir, rmdir, unlink } from "node:fs/promises";

/** Deeper folders are moved up before they are removed: each level that is under way has a descriptor. */
const DEPTH_MAX = 12;
/** Files that are removed at a time. */
const BATCH = 64;
/** What is being killed may still put something there. */
const PASSES_MAX = 20;
const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

type Path = string | Buffer;

/** The folder that deeper ones are moved to. */
interface Top {
  at: string;
  /** How many have been moved. */
  moved: number;
}

/** Removes a folder with all that is in it, or a file. It need not be there. */
export function removeFolder(path: Path): void {
  remove(path, 0, { at: "", moved: 0 });
}

/** The same without keeping the thread: removing folders waits for the disk's journal. What has closed folders, or deep ones, keeps it. */
export async function removeFolderLater(folder: string): Promise<void> {
  try {
    await removeTree(Buffer.from(folder), 0);
  } catch {
    removeFolder(folder);
  }
}

function remove(path: Path, depth: number, top: Top): void {
  if (tryUnlink(path)) return;
  for (let pass = 0; ; ) {
    const { moved } = top;
    if (!clear(path, depth, top)) return;
    if (top.moved === moved || depth > 0) pass++;
    try {
      return rmdirSync(path);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return;
      if (codeOf(error) !== "ENOTEMPTY" || pass === PASSES_MAX) throw error;
    }
  }
}

/** False: it is a folder. */
function tryUnlink(path: Path): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") return true;
    // The second is what other systems than Linux say.
    if (code === "EISDIR" || code === "EPERM") return false;
    throw error;
  }
}

/** Removes what is in the folder. False: there is none. */
function clear(path: Path, depth: number, top: Top): boolean {
  const fd = openFolder(path);
  if (fd === undefined) return false;
  try {
    fchmodSync(fd, 0o700);
    const at = placeOf(fd, path);
    if (depth === 0) top.at = at;
    for (const name of readdirSync(at, { encoding: "buffer" })) {
      const each = Buffer.concat([Buffer.from(`${at}/`), name]);
      if (tryUnlink(each)) continue;
      if (depth < DEPTH_MAX) remove(each, depth + 1, top);
      else moveUp(each, top);
    }
    return true;
  } finally {
    closeSync(fd);
  }
}

/** It is removed with the next pass over the top. */
function moveUp(folder: Path, top: Top): void {
  // To be moved, a folder must be writable.
  chmodSync(folder, 0o700);
  renameSync(folder, `${top.at}/.sheaf-deep-${top.moved++}`);
}

function openFolder(path: Path): number | undefined {
  for (let isOpenedUp = false; ; isOpenedUp = true) {
    try {
      return openSync(path, FOLDER);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      if (codeOf(error) !== "EACCES" || isOpenedUp) throw error;
      chmodSync(path, 0o700);
    }
  }
}

/** Not by `rm` of Node, which begins with all files of a folder at a time: for 100,000 it takes 250 MB. */
async function removeTree(folder: Buffer, depth: number): Promise<void> {
  if (depth > DEPTH_MAX) throw new Error("too deep");
  const fd = openSync(folder, FOLDER);
  try {
    const at = placeOf(fd, folder);
    let files: Buffer[] = [];
    // The types of Node know no names that are bytes here.
    for await (const entry of await opendir(at, { encoding: "buffer" as never, bufferSize: BATCH })) {
      const path = Buffer.concat([Buffer.from(`${at}/`), entry.name as unknown as Buffer]);
      if (entry.isDirectory()) await removeTree(path, depth + 1);
      else if (files.push(path) === BATCH) {
        await Promise.all(files.map((file) => unlink(file)));
        files = [];
      }
    }
    await Promise.all(files.map((file) => unlink(file)));
  } finally {
    closeSync(fd);
  }
  await rmdir(folder);
}

/** How what is in an open folder is named. */
function placeOf(fd: number, path: Path): string {
  return process.platform === "linux" ? `/proc/self/fd/${fd}` : path.toString();
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
