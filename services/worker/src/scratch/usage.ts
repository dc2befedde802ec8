import { lstatSync, type Stats } from "node:fs";
import { opendir } from "node:fs/promises";
import { join } from "node:path";

const BLOCK_BYTES = 512;
/** Entries that are read, and looked at in one go: some 2 ms. */
const STEP_ENTRIES = 256;

/**
 * What lies in the folders, which a command is writing to at this moment: what goes while it is looked at does not count. Links are
 * not followed, and the folder `without` is left out. Holes, and the rests of blocks, do not count either. Ends early beyond `limit`.
 */
export async function usedBytes(folders: readonly string[], limit: number, without?: string): Promise<number> {
  const todo = [...folders];
  let bytes = 0;
  for (let folder = todo.pop(); folder !== undefined && bytes <= limit; folder = todo.pop()) {
    try {
      for await (const entry of await opendir(folder, { bufferSize: STEP_ENTRIES })) {
        const path = join(folder, entry.name);
        if (entry.isDirectory() && path !== without) todo.push(path);
        else if (entry.isFile()) bytes += bytesOf(lstatSync(path, { throwIfNoEntry: false }));
        if (bytes > limit) break;
      }
    } catch {
      // It has just been removed or closed. What is in it is counted when the command has ended.
    }
  }
  return bytes;
}

function bytesOf(stat: Stats | undefined): number {
  return stat === undefined ? 0 : Math.min(stat.size, stat.blocks * BLOCK_BYTES);
}
