import { chmodSync, lstatSync, readdirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";

/** Removes a folder with all that a command may have left in it, folders that nobody may enter too. */
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
    await rm(folder, { recursive: true, force: true });
  } catch {
    removeFolder(folder);
  }
}

/** Makes every folder below one that its owner may read and change. Links are not followed. */
function openUp(top: string): void {
  const todo = [Buffer.from(top)];
  for (let folder = todo.pop(); folder !== undefined; folder = todo.pop()) {
    if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) continue;
    chmodSync(folder, 0o700);
    for (const entry of readdirSync(folder, { withFileTypes: true, encoding: "buffer" })) {
      if (entry.isDirectory()) todo.push(Buffer.concat([folder, Buffer.from("/"), entry.name]));
    }
  }
}
