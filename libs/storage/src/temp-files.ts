/**
 * Files on their way into a folder store. A file is written under a name that nobody else uses, so a writer that dies
 * leaves at most one file here and nothing under the object's name.
 */
import { readdirSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Random } from "@sheaf/runtime";
import type { ObjectSource } from "./store.ts";

/**
 * In one call to the kernel: for longer ones it takes larger pages, which on a virtual machine mostly have to be asked of the host
 * first. In calls of 16 MiB, writing took six times as much.
 */
const CALL_BYTES = 1024 * 1024;
/** A writer is dead, or hangs beyond hope, when its file has not grown for this long. */
const LEFTOVER_AGE_MS = 3_600_000;
/** Readers may link objects into places where a user's command sees them. */
const OBJECT_MODE = 0o444;

/** Writes the bytes to a new file of `folder` and makes them durable. Its path; the caller removes it. */
export async function writeTemp(folder: string, random: Random, source: ObjectSource): Promise<string> {
  const path = join(folder, `${process.pid}-${Buffer.from(random.bytes(10)).toString("hex")}`);
  const pieces = source instanceof Uint8Array ? [source] : source;
  try {
    await write(path, pieces);
    return path;
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

/** Removes what writers left that were killed long ago. Those of other machines may share the folder. */
export function removeLeftovers(folder: string, nowMs: number): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const modified = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    if (modified !== undefined && nowMs - modified > LEFTOVER_AGE_MS) rmSync(path, { force: true, recursive: true });
  }
}

async function write(path: string, pieces: readonly Uint8Array[] | AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, "wx", OBJECT_MODE);
  try {
    for await (const piece of guarded(pieces)) await writeAll(file, piece);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** What the source of an object threw: no failure of the store. */
export class SourceFailure extends Error {
  readonly thrown: unknown;

  constructor(thrown: unknown) {
    super("the source of an object failed");
    this.thrown = thrown;
  }
}

async function* guarded(
  pieces: readonly Uint8Array[] | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* pieces;
  } catch (thrown) {
    throw new SourceFailure(thrown);
  }
}

/** FileHandle.write may write less than it was given. */
async function writeAll(file: FileHandle, piece: Uint8Array): Promise<void> {
  for (let done = 0; done < piece.length; ) {
    done += (await file.write(piece, done, Math.min(CALL_BYTES, piece.length - done))).bytesWritten;
  }
}
