/** Log files of other processes: they write to the file themselves, so that no log is lost when we die. */
import { copyFile, open, rename, stat, truncate } from "node:fs/promises";

const TAIL_BYTES = 4 * 1024;

/** Opens for appending by a child; `size` is where the child will begin. Close the handle after the spawn. */
export async function openLog(file: string) {
  const handle = await open(file, "a", 0o600);
  const { size } = await handle.stat();
  return { handle, size };
}

/** What was written from `from` on, at most the last 4 KiB, beginning with a whole line. Empty when there is none. */
export async function logTail(file: string, from = 0): Promise<string> {
  try {
    await using handle = await open(file, "r");
    const { size } = await handle.stat();
    // The file was cut while it was written: all of it is new.
    const begin = Math.max(size < from ? 0 : from, size - TAIL_BYTES);
    const bytes = Buffer.alloc(size - begin);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, begin);
    const text = bytes.toString("utf8", 0, bytesRead);
    return begin > from && text.includes("\n") ? text.slice(text.indexOf("\n") + 1) : text;
  } catch {
    return "";
  }
}

/**
 * Moves what is in the file to `<file>.1` when it is bigger than `maxBytes`. The writer holds the file open, so it is
 * copied and cut; lines that are written in between are lost.
 */
export async function capLog(file: string, maxBytes: number): Promise<void> {
  try {
    if ((await stat(file)).size <= maxBytes) return;
    await copyFile(file, `${file}.1.tmp`);
    await truncate(file, 0);
    await rename(`${file}.1.tmp`, `${file}.1`);
  } catch {
    // A log that cannot be cut is no reason to stop anything; the next look tries again.
  }
}
