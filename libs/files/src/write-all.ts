import { writeSync } from "node:fs";

/**
 * In one call to the kernel: for longer ones it takes larger pages, which on a virtual machine mostly have to be asked of the host
 * first. In calls of 16 MiB, writing took six times as much.
 */
const CALL_BYTES = 1024 * 1024;

/** Writes all of it at `position`, or where the file is at. */
export function writeAll(fd: number, bytes: Uint8Array, position?: number): void {
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(CALL_BYTES, bytes.length - at);
    at += writeSync(fd, bytes, at, length, position === undefined ? null : position + at);
  }
}
