/**
 * Makes a commit from its parent: deletes first, then puts. Only the shards whose range is touched are written anew; the
 * others are taken over as they are.
 *
 * A file and a folder cannot have one path. A put is checked against the puts before it (they are sorted, so the files
 * that could be its folders are a short stack) and against what the parent keeps, by looking up its folders and what is
 * under it.
 *
 * Memory: the deletes, one shard, and some blocks of the parent.
 */
import type { store } from "@sheaf/proto";
import { failedPrecondition, internal } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import { checkPath, comparePaths, foldersOf, isUnder, quote, rangeUnder } from "../path.ts";
import { type CommitReader, openCommit } from "./commit-reader.ts";
import { IndexWriter, type ShardLimits } from "./index-writer.ts";
import { OpenFiles } from "./open-files.ts";

export interface Changes {
  /** Files or folders (with all in them; "/" is everything) of the parent that go. Any order; missing ones are fine. */
  readonly deletes?: readonly string[];
  /** Files that come or are replaced, sorted by path; of several with one path the last one stands. */
  readonly puts?: AsyncIterable<store.FileEntry> | Iterable<store.FileEntry>;
}

export interface NewCommit {
  readonly ref: store.ObjectRef;
  readonly manifest: store.CommitManifest;
}

/**
 * Writes the commit that the changes make of the parent (none: an empty one). Throws INVALID_ARGUMENT PATH_INVALID, and
 * FAILED_PRECONDITION FILE_AND_FOLDER naming both paths when a file would stand where a folder is.
 */
export async function applyChanges(
  target: Store,
  parent: store.ObjectRef | undefined,
  changes: Changes,
  limits: ShardLimits = {},
): Promise<NewCommit> {
  const commit = await openCommit(target, parent);
  const kept = new Kept(commit, changes.deletes ?? []);
  const puts = new Puts(changes.puts ?? [], kept);
  const writer = new IndexWriter(target, limits);
  await puts.advance();
  const groups = shardGroups(commit.manifest.shards);
  for (const [i, group] of groups.entries()) {
    const end = groups[i + 1]?.first;
    if (!kept.touches(group) && !puts.isBefore(end)) {
      for (const shard of group.shards) await writer.addShard(shard);
    } else {
      await rewrite(commit, group, end, kept, puts, writer);
    }
  }
  await takePuts(puts, undefined, writer);
  return writer.finish();
}

/** Shards that share a path (its content is cut between them) are one group. */
interface Group {
  readonly first: string;
  last: string;
  readonly shards: store.IndexShard[];
}

function shardGroups(shards: readonly store.IndexShard[]): Group[] {
  const groups: Group[] = [];
  for (const shard of shards) {
    const open = groups.at(-1);
    if (open !== undefined && open.last === shard.firstPath) {
      open.shards.push(shard);
      open.last = shard.lastPath;
    } else {
      groups.push({ first: shard.firstPath, last: shard.lastPath, shards: [shard] });
    }
  }
  return groups;
}

/** Merges the group's files with the puts that come before the next group. */
async function rewrite(
  commit: CommitReader,
  group: Group,
  end: string | undefined,
  kept: Kept,
  puts: Puts,
  writer: IndexWriter,
): Promise<void> {
  for await (const old of commit.files({ from: group.first, to: `${group.last}\0` })) {
    await takePuts(puts, old.path, writer);
    if (puts.next?.path !== old.path && !kept.isDeleted(old.path)) await writer.add(old);
  }
  await takePuts(puts, end, writer);
}

/** Writes the puts whose path is before `end`. */
async function takePuts(puts: Puts, end: string | undefined, writer: IndexWriter): Promise<void> {
  while (puts.next !== undefined && puts.isBefore(end)) {
    await writer.add(puts.next);
    await puts.advance();
  }
}

/** The puts one by one, each checked; of equal paths the last. */
class Puts {
  readonly #source: AsyncIterator<store.FileEntry> | Iterator<store.FileEntry>;
  readonly #kept: Kept;
  readonly #files = new OpenFiles<undefined>();
  #ahead: store.FileEntry | undefined;
  #begun = false;
  next: store.FileEntry | undefined;

  constructor(source: AsyncIterable<store.FileEntry> | Iterable<store.FileEntry>, kept: Kept) {
    this.#source = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    this.#kept = kept;
  }

  isBefore(end: string | undefined): boolean {
    return this.next !== undefined && (end === undefined || comparePaths(this.next.path, end) < 0);
  }

  async advance(): Promise<void> {
    if (!this.#begun) this.#ahead = await this.#read();
    this.#begun = true;
    let entry = this.#ahead;
    while (entry !== undefined) {
      this.#ahead = await this.#read();
      if (this.#ahead?.path !== entry.path) break;
      entry = this.#ahead;
    }
    const before = this.next?.path;
    this.next = entry;
    if (entry !== undefined) await this.#check(entry.path, before);
  }

  async #read(): Promise<store.FileEntry | undefined> {
    const { done, value } = await this.#source.next();
    return done === true ? undefined : value;
  }

  async #check(path: string, before: string | undefined): Promise<void> {
    checkPath(path);
    if (before !== undefined && comparePaths(before, path) >= 0) {
      throw internal("PUTS_NOT_SORTED", `${quote(path)} is put after ${quote(before)}`);
    }
    this.#files.skipTo(path);
    const folder = this.#files.filesAbove(path)[0]?.path ?? (await this.#kept.fileAbove(path, before));
    this.#files.push(path, undefined);
    if (folder !== undefined) throw collision(folder, path);
    const under = await this.#kept.fileUnder(path);
    if (under !== undefined) throw collision(path, under);
  }
}

/** What the parent keeps. */
class Kept {
  readonly #commit: CommitReader;
  readonly #deletes: readonly string[];
  readonly #deleted: ReadonlySet<string>;

  constructor(commit: CommitReader, deletes: readonly string[]) {
    this.#commit = commit;
    this.#deletes = deletes;
    this.#deleted = new Set(deletes);
  }

  isDeleted(path: string): boolean {
    if (this.#deleted.size === 0) return false;
    if (this.#deleted.has(path) || this.#deleted.has("/")) return true;
    return foldersOf(path).some((folder) => this.#deleted.has(folder));
  }

  touches(group: Group): boolean {
    return this.#deletes.some((path) => {
      const { from, to } = rangeUnder(path);
      const isFileIn = comparePaths(path, group.first) >= 0 && comparePaths(path, group.last) <= 0;
      return isFileIn || (comparePaths(from, group.last) <= 0 && comparePaths(to, group.first) > 0);
    });
  }

  /** A kept file that stands where the path needs a folder. Folders that it shares with `before` were looked up then. */
  async fileAbove(path: string, before: string | undefined): Promise<string | undefined> {
    if (this.#commit.manifest.shards.length === 0) return undefined;
    for (const folder of foldersOf(path)) {
      if (before !== undefined && isUnder(before, folder)) continue;
      if (!this.isDeleted(folder) && (await this.#commit.find(folder)) !== undefined) return folder;
    }
    return undefined;
  }

  /** A kept file under the path. */
  async fileUnder(path: string): Promise<string | undefined> {
    if (this.#commit.manifest.shards.length === 0) return undefined;
    const first = await this.#commit.firstUnder(path);
    if (first === undefined || !this.isDeleted(first)) return first;
    for await (const entry of this.#commit.files(rangeUnder(path))) {
      if (!this.isDeleted(entry.path)) return entry.path;
    }
    return undefined;
  }
}

function collision(file: string, under: string): Error {
  const message = `${quote(file)} cannot be a file while there is ${quote(under)}; delete one of them first`;
  return failedPrecondition("FILE_AND_FOLDER", message, { metadata: { file, under } });
}
