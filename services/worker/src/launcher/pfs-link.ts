// /pfs, where a launcher has one (rooted.sh): a link in its box, which stands for one datum after another.

import { renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";

/** Points it at the datum in `folder`. Some 20 us; no process. It was never seen pointing nowhere: one link takes the other's place. */
export function pointPfs(box: string, folder: string): void {
  const next = join(box, "pfs.next");
  symlinkSync(join(folder, "pfs"), next);
  renameSync(next, join(box, "pfs"));
}
