/**
 * The folders of a worker. Locally, its scratch folder and one in memory. With containers, what these mount as well (`volume`):
 *
 *     <volume>/data/             datums, standard inputs
 *     <volume>/control/          in memory: doors and pfs, which install.sh makes; slots and batches
 *
 * All in there is the commands' too: they run as the same user. Nothing that this worker runs, trusts or sends may lie there.
 *
 * A pod is one worker (pod.ts, O5): its scratch folder, which no command can reach, stays, and tells an agent that is started again that
 * there has been one.
 */
import { existsSync, mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { messageOf, permissionDenied, type Random } from "@sheaf/runtime";
import { openControl } from "./control.ts";
import { openScratch } from "./scratch.ts";

export interface WorkerFolders {
  /** What no command needs; on a disk. */
  readonly scratch: string;
  /** For datums; on a disk. Commands can reach it, by this path. */
  readonly shared: string;
  /** For FIFOs and the like; in memory where that can be. Likewise. */
  readonly slots: string;
  readonly batches: string;
  /** To be removed at the end. */
  readonly own: readonly string[];
}

const NAME_BYTES = 16;

export function openWorkerFolders(data: string, id: string, volume: string | undefined, random: Random): WorkerFolders {
  const own = openScratch(data, id);
  if (volume !== undefined) return openShared(own, volume, random);
  const control = openControl(own);
  const folders = { slots: join(control, "slots"), batches: join(control, "batches") };
  return { scratch: own, shared: own, ...folders, own: [own, control] };
}

/** Whether the worker of this pod has been there before. */
export function isSpent(data: string, id: string): boolean {
  return existsSync(join(data, id));
}

function openShared(own: string, volume: string, random: Random): WorkerFolders {
  // By a name that no command can know: a link that one puts in the way of a file of its datum does not lead here.
  const scratch = join(own, Buffer.from(random.bytes(NAME_BYTES)).toString("hex"));
  const [shared, slots, batches] = [
    join(volume, "data"),
    join(volume, "control/slots"),
    join(volume, "control/batches"),
  ];
  try {
    // Both sides must mean the same by a path, and what is open is told by its real one (output-file.ts).
    if (realpathSync.native(volume) !== volume) throw new Error("it is a link, or below one");
    mkdirSync(scratch);
    for (const folder of [shared, slots, batches]) mkdirSync(folder, { mode: 0o755 });
  } catch (error) {
    throw permissionDenied("VOLUME_UNUSABLE", `cannot use --user-volume ${volume}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return { scratch, shared, slots, batches, own: [scratch, shared, slots, batches] };
}
