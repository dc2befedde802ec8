/**
 * The folder for what a worker and its commands say to each other: FIFOs, links, variables; some KiB. In memory where the machine has
 * a place for that: every message through a FIFO changes the times of its inode, and a link that is swung frees one, which on a
 * disk's file system can cost more than all the rest of a small datum.
 *
 * The place is everybody's. So a folder has a name that is new, and only its owner may enter it; names tell user and PID namespace,
 * so that what another's dead workers left is not touched, nor what looks dead from here.
 */
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { isOrphan, ownFolder } from "./owner.ts";
import { removeFolder } from "./remove.ts";

const IN_MEMORY = "/dev/shm";
const TMPFS = 0x01021994;

/** Makes a folder for this worker alone: in memory, or else in its scratch folder. Whoever gets it removes it. */
export function openControl(scratch: string, place = IN_MEMORY): string {
  return openInMemory(place) ?? openOnDisk(scratch);
}

function openInMemory(place: string): string | undefined {
  try {
    if (statfsSync(place).type !== TMPFS) return undefined;
    const prefix = `sheaf-worker-${process.getuid?.()}-${namespaceNumber()}-`;
    for (const name of readdirSync(place))
      if (name.startsWith(prefix) && isOrphan(join(place, name))) removeFolder(join(place, name));
    const folder = mkdtempSync(join(place, prefix));
    ownFolder(folder);
    return folder;
  } catch {
    // No such place, or none for us.
    return undefined;
  }
}

function openOnDisk(scratch: string): string {
  const folder = join(scratch, "control");
  mkdirSync(folder);
  return folder;
}

/** Of the PID namespace: in another one the same number is another process, or none. */
function namespaceNumber(): string {
  return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "";
}
