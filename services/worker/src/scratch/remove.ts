import { execFile } from "node:child_process";
import { chmodSync, existsSync, lstatSync, readdirSync, renameSync, rmSync } from "node:fs";
import { opendir, rmdir, unlink } from "node:fs/promises";
import { promisify } from "node:util";

const removeWith = promisify(execFile);

/** Deeper folders are moved up before they are removed: their paths may be longer than the kernel takes (4 KiB). */
const DEPTH_MAX = 12;
/** Files that are removed at a time. */
const BATCH = 64;
const SLASH = Buffer.from("/");

/** Removes a folder with all that a command may have left in it, folders that nobody may enter, or too deep to name, too. */
export function removeFolder(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    openUp(folder);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same without keeping the thread: removing folders waits for the disk's journal. */
export async function removeFolderLater(folder: string): Promise<void> {
  try {
    await removeTree(Buffer.from(folder));
  } catch {
    if (!existsSync(folder)) return;
    // What is too deep to name takes seconds, and rm(1) does not mind. It is rare enough for a process of its own.
    await removeWith("rm", ["-rf", "--", folder]).catch(() => removeFolder(folder));
  }
}

/** Not by `rm` of Node, which begins with all files of a folder at a time: for 100,000 it takes 250 MB. */
async function removeTree(folder: Buffer): Promise<void> {
  let files: Buffer[] = [];
  // The types of Node know no names that are bytes here.
  for await (const entry of await opendir(folder, { encoding: "buffer" as never, bufferSize: BATCH })) {
    const path = Buffer.concat([folder, SLASH, entry.name as unknown as Buffer]);
    if (entry.isDirectory()) await removeTree(path);
    else if (files.push(path) === BATCH) {
      await Promise.all(files.map((file) => unlink(file)));
      files = [];
    }
  }
  await Promise.all(files.map((file) => unlink(file)));
  await rmdir(folder);
}

/** Makes every folder below one that its owner may read and change, and none of them deep. Links are not followed. */
function openUp(top: string): void {
  let moved = 0;
  const todo = [{ folder: Buffer.from(top), depth: 0 }];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    let { folder, depth } = next;
    if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) continue;
    chmodSync(folder, 0o700);
    if (depth > DEPTH_MAX) {
      const shallow = Buffer.from(`${top}/.sheaf-deep-${moved++}`);
      renameSync(folder, shallow);
      folder = shallow;
      depth = 1;
    }
    for (const entry of readdirSync(folder, { withFileTypes: true, encoding: "buffer" })) {
      const path = Buffer.concat([folder, Buffer.from("/"), entry.name]);
      if (entry.isDirectory()) todo.push({ folder: path, depth: depth + 1 });
    }
  }
}
