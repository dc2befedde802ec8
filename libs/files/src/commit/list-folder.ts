/** What a folder of a commit holds. One pass over the index; shards that lie wholly in one subfolder are not read. */
import type { store } from "@sheaf/proto";
import { comparePaths, isUnder, rangeUnder } from "../path.ts";
import { type CommitReader, joined } from "./commit-reader.ts";

export interface FileChild {
  readonly kind: "file";
  readonly path: string;
  readonly entry: store.FileEntry;
  /** The `from` with which the list goes on after this child. */
  readonly next: string;
}

export interface FolderChild {
  readonly kind: "folder";
  readonly path: string;
  /** Files under it, at any depth. */
  readonly files: bigint;
  /** Their bytes. */
  readonly bytes: bigint;
  /** The `from` with which the list goes on after this child. */
  readonly next: string;
}

export type Child = FileChild | FolderChild;

/**
 * The files and folders right in the folder, in the order of the index, in which a folder stands as its path and a slash:
 * "/a-b" comes before the folder "/a". `from` is the `next` of the child after which to go on.
 */
export async function* listFolder(
  commit: CommitReader,
  folder: string,
  from?: string,
): AsyncGenerator<Child, void, void> {
  const range = rangeUnder(folder);
  const start = from !== undefined && comparePaths(from, range.from) > 0 ? from : range.from;
  let open: OpenChild | undefined;
  for await (const step of steps(commit, { from: start, to: range.to }, () => open?.folder)) {
    const child = childOf(step.path, range.from.length);
    if (open?.path !== child.path) {
      if (open !== undefined) yield closed(open);
      open = { ...child, files: 0n, bytes: 0n, last: "", entry: undefined };
    }
    add(open, step);
  }
  if (open !== undefined) yield closed(open);
}

/** Files and bytes under a folder, at any depth; "/" counts the whole commit. Nothing: there is no such folder. */
export async function folderTotals(
  commit: CommitReader,
  folder: string,
): Promise<{ readonly files: bigint; readonly bytes: bigint }> {
  if (folder === "/") return { files: commit.manifest.files, bytes: commit.manifest.bytes };
  const total: OpenChild = {
    path: folder,
    folder,
    files: 0n,
    bytes: 0n,
    last: "",
    entry: undefined,
  };
  for await (const step of steps(commit, rangeUnder(folder), () => folder)) add(total, step);
  return { files: total.files, bytes: total.bytes };
}

interface OpenChild {
  readonly path: string;
  /** The path, when it is a folder. */
  readonly folder: string | undefined;
  files: bigint;
  bytes: bigint;
  /** Last path that was counted: a file may go on in the next shard. */
  last: string;
  entry: store.FileEntry | undefined;
}

/** An entry, or a whole shard: all its paths lie in one folder. */
type Step =
  | { readonly path: string; readonly entry: store.FileEntry }
  | { readonly path: string; readonly shard: store.IndexShard };

/** The entries of the range; a shard that lies wholly in the folder that is open when it comes is one step. */
async function* steps(
  commit: CommitReader,
  range: { readonly from: string; readonly to: string },
  openFolder: () => string | undefined,
): AsyncGenerator<Step, void, void> {
  const { shards } = commit.manifest;
  for (let i = commit.shardAt(range.from); i < shards.length; i++) {
    const shard = shards[i] as store.IndexShard;
    if (comparePaths(shard.firstPath, range.to) >= 0) return;
    const folder = openFolder();
    if (folder !== undefined && isUnder(shard.firstPath, folder) && isUnder(shard.lastPath, folder)) {
      yield { path: shard.firstPath, shard };
    } else {
      for await (const entry of commit.shardFiles(i, range)) yield { path: entry.path, entry };
    }
  }
}

function childOf(path: string, depth: number): { readonly path: string; readonly folder: string | undefined } {
  const slash = path.indexOf("/", depth);
  if (slash < 0) return { path, folder: undefined };
  const folder = path.slice(0, slash);
  return { path: folder, folder };
}

function add(child: OpenChild, step: Step): void {
  const repeated = step.path === child.last ? 1n : 0n;
  if ("shard" in step) {
    child.files += step.shard.files - repeated;
    child.bytes += step.shard.bytes;
    child.last = step.shard.lastPath;
    return;
  }
  child.files += 1n - repeated;
  child.bytes += step.entry.size;
  child.last = step.path;
  child.entry = child.entry === undefined || repeated === 0n ? step.entry : joined(child.entry, step.entry);
}

function closed(child: OpenChild): Child {
  const { path, folder, files, bytes, entry } = child;
  if (folder !== undefined) return { kind: "folder", path, files, bytes, next: rangeUnder(path).to };
  return { kind: "file", path, entry: entry as store.FileEntry, next: `${path}\0` };
}
