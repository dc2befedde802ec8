// Contents of files, in path order: small ones whole and several in a message, big ones in chunks with their hash at the end.

import { createHash } from "node:crypto";
import {
  type CommitReader,
  foldersOf,
  type Glob,
  rangeUnder,
  readSegments,
  type SegmentReader,
  segmentReader,
} from "@sheaf/files";
import type { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { MESSAGE_BYTES_MAX } from "../api/limits.ts";

/** A file above this is sent in chunks of its own. */
const SMALL_BYTES_MAX = 256n * 1024n;
/** What a file takes in a message beyond its bytes. */
const ENTRY_BYTES = 64;

export interface FilesAsked {
  /** A file, or a folder; "/" is all. */
  readonly path: string;
  readonly glob: Glob | undefined;
}

/** The files that are asked for. */
export async function* chosenFiles(
  commit: CommitReader,
  { path, glob }: FilesAsked,
): AsyncGenerator<store.FileEntry, void, void> {
  const file = path === "/" ? undefined : await commit.find(path);
  if (file !== undefined) {
    if (glob === undefined || isCovered(glob, path)) yield file;
    return;
  }
  const prefix = glob?.literalPrefix ?? "";
  for await (const entry of commit.files({ ...rangeUnder(path), prefix })) {
    if (glob === undefined || isCovered(glob, entry.path)) yield entry;
  }
}

type Small = { readonly path: string; readonly content: Uint8Array; readonly executable: boolean };

export async function* contents(source: Store, files: AsyncIterable<store.FileEntry>) {
  const reader = segmentReader(source);
  let batch: Small[] = [];
  let bytes = 0;
  for await (const file of files) {
    const small = file.size <= SMALL_BYTES_MAX;
    const weight = Number(file.size) + file.path.length * 3 + ENTRY_BYTES;
    if (batch.length > 0 && (!small || bytes + weight > MESSAGE_BYTES_MAX)) {
      yield batchOf(batch);
      batch = [];
      bytes = 0;
    }
    if (small) {
      batch.push({ path: file.path, content: await whole(reader, file), executable: file.executable });
      bytes += weight;
    } else {
      yield* chunks(source, file);
    }
  }
  if (batch.length > 0) yield batchOf(batch);
}

function batchOf(files: readonly Small[]) {
  return { message: { case: "batch" as const, value: { files: [...files] } } };
}

async function whole(reader: SegmentReader, { segments }: store.FileEntry): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of reader.read(segments)) pieces.push(piece);
  return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces);
}

async function* chunks(source: Store, { path, executable, segments }: store.FileEntry) {
  yield { message: { case: "begin" as const, value: { path, executable } } };
  const hash = createHash("sha256");
  for await (const piece of readSegments(source, segments)) {
    hash.update(piece);
    for (let at = 0; at < piece.length; at += MESSAGE_BYTES_MAX) {
      yield { message: { case: "chunk" as const, value: piece.subarray(at, at + MESSAGE_BYTES_MAX) } };
    }
  }
  yield { message: { case: "end" as const, value: { sha256: new Uint8Array(hash.digest()) } } };
}

/** Whether the file matches, or lies in a folder that does. */
function isCovered(glob: Glob, path: string): boolean {
  if (glob.matches(path)) return true;
  return !glob.filesOnly && (glob.matches("/") || foldersOf(path).some((folder) => glob.matches(folder)));
}
