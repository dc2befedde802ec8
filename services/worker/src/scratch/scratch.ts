/**
 * The worker's scratch folder: `<data>/<worker id>`, for itself alone. It is removed at the end; what a killed worker left is
 * removed by the next one that starts with the same data folder.
 */
import { mkdirSync, readdirSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { alreadyExists, messageOf, permissionDenied } from "@sheaf/runtime";
import { isOrphan, ownFolder } from "./owner.ts";
import { removeFolder } from "./remove.ts";

/** Makes the folder anew; its path, free of links. Throws ALREADY_EXISTS when a living worker has it. */
export function openScratch(data: string, worker: string): string {
  const folder = join(data, worker);
  try {
    mkdirSync(data, { recursive: true, mode: 0o700 });
    removeLeftovers(data);
    mkdirSync(folder, { mode: 0o700 });
    ownFolder(folder);
    return realpathSync.native(folder);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST" && isFolder(data)) {
      throw alreadyExists(
        "SCRATCH_IN_USE",
        `the scratch folder ${folder} belongs to a worker that runs: give another --id or --data`,
      );
    }
    throw permissionDenied("SCRATCH_UNUSABLE", `cannot use the scratch folder ${folder}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Removes the folders of workers that are dead. Anything else in the data folder is left alone. */
function removeLeftovers(data: string): void {
  for (const entry of readdirSync(data, { withFileTypes: true })) {
    const folder = join(data, entry.name);
    if (entry.isDirectory() && isOrphan(folder)) removeFolder(folder);
  }
}

/** Of a file, making a folder says as well that it exists. */
function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
