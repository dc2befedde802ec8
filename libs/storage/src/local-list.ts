/** Lists the objects of a folder store in key order. Memory: the names of one folder at a time, per level. */
import { type Dirent, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ObjectInfo } from "./store.ts";

export function* listFolder(dir: string, prefix: string, parent = ""): Generator<ObjectInfo, void, void> {
  for (const entry of sorted(readFolder(join(dir, parent)))) {
    // Keys never begin with a dot, nor does a part of one: this leaves out the files being written.
    if (entry.name.startsWith(".")) continue;
    const key = parent + entry.name;
    if (entry.isDirectory()) {
      if (mayHold(`${key}/`, prefix)) yield* listFolder(dir, prefix, `${key}/`);
    } else if (entry.isFile() && key.startsWith(prefix)) {
      const stat = statSync(join(dir, key), { throwIfNoEntry: false });
      if (stat !== undefined) yield { key, size: stat.size, modifiedMs: stat.mtimeMs };
    }
  }
}

/** Whether keys that begin with `folder` can begin with `prefix`. */
function mayHold(folder: string, prefix: string): boolean {
  return folder.startsWith(prefix) || prefix.startsWith(folder);
}

function readFolder(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** A folder's keys begin with its name and a slash, so that is what it is ordered by. */
function sorted(entries: Dirent[]): Dirent[] {
  const orderKey = (entry: Dirent): string => (entry.isDirectory() ? `${entry.name}/` : entry.name);
  return entries
    .map((entry) => ({ entry, by: orderKey(entry) }))
    .sort((a, b) => (a.by < b.by ? -1 : 1))
    .map(({ entry }) => entry);
}
