// /pfs, where a launcher has one (rooted.sh): a link in a folder of its box, which stands for one datum after another.

import { renameSync, symlinkSync, unlinkSync } from "node:fs";

/** Where the link is, in the box. */
export const PFS_FOLDER = "pfs";

/** Points it at the datum in `folder`. Some 20 us; no process. It was never seen pointing nowhere: one link takes the other's place. */
export function pointPfs(box: string, folder: string): void {
  const [link, next, target] = [`${box}/${PFS_FOLDER}/now`, `${box}/${PFS_FOLDER}/next`, `${folder}/pfs`];
  try {
    symlinkSync(target, next);
    renameSync(next, link);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
    // A disk that has no room for one more file has it for another in its place.
    unlinkSync(link);
    symlinkSync(target, link);
  }
}
