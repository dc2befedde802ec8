import { writeSync } from "node:fs";

/**
 * In one call to the kernel: for longer ones it takes larger pages, which on a virtual machine mostly have to be asked of the host
 * first. In calls of 16 MiB, writing took six times as much.
 */
const CALL_BYTES = 1024 * 1024;

/** Writes all of it where the file is at. */
export function writeBytes(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, Math.min(CALL_BYTES, bytes.length - at));
}
