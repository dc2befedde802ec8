/**
 * Finds files that stand where another datum has a folder.
 *
 * Theory. Let f be a file and p a path under it. Every text between f and p in the order of bytes begins with f. So:
 *
 *   C1  within a stream of sorted paths it is enough to keep the files that are string prefixes of the newest path
 *       (OpenFiles), and
 *   C2  if f lies in one shard and p in a later one, f is a string prefix of the last path of its shard, of every path of
 *       the shards between, and of the first path of p's shard.
 *
 * So each shard tells two things about itself: the files that are string prefixes of its last path (`openFiles`), and the
 * folders of its paths that are string prefixes of its first path (`leadingFolders`). From these the fold finds what one
 * shard over everything would have found, wherever the cuts are.
 *
 * Who is named. For the file: its first writer. For the folder: the first writer of the first path under it. Both do not
 * depend on the cuts. Each file in the way is reported once.
 */
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import { OpenFiles } from "../commit/open-files.ts";
import { comparePaths } from "../path.ts";

/** Most conflicts of a shard that are kept; a job fails with the first. */
export const CONFLICTS_MAX = 100;

/** Watches the paths of one shard go by. */
export class ShardConflicts {
  readonly #open = new OpenFiles<bigint>();
  readonly #reported = new Set<string>();
  readonly #leading = new Map<string, bigint>();
  readonly #conflicts: store.PathConflict[] = [];
  #first: string | undefined;
  /** How much of the first path the newest one shares: it never grows. */
  #shared = 0;

  /** The next path, with the datum that wrote it first. */
  enter(path: string, datum: bigint): void {
    this.#open.skipTo(path);
    for (const file of this.#open.filesAbove(path)) {
      if (this.#reported.has(file.path)) continue;
      this.#reported.add(file.path);
      this.report(fileAndFolder(file.path, file.owner, datum));
    }
    this.#open.push(path, datum);
    this.#follow(path, datum);
  }

  /**
   * The shard begins inside this file, which an earlier shard has entered. Its folders count, but its datum does not: if
   * a file is in its way, the shard in which it begins has said so.
   */
  enterRest(path: string): void {
    this.#open.skipTo(path);
    this.#follow(path, 0n);
  }

  report(conflict: store.PathConflict): void {
    if (this.#conflicts.length < CONFLICTS_MAX) this.#conflicts.push(conflict);
  }

  /** For MergedShard. */
  finish(): {
    readonly conflicts: store.PathConflict[];
    readonly openFiles: store.PathOwner[];
    readonly leadingFolders: store.PathOwner[];
  } {
    return {
      conflicts: this.#conflicts,
      openFiles: this.#open.files.map(({ path, owner }) => pathOwner(path, owner)),
      leadingFolders: [...this.#leading].map(([path, datum]) => pathOwner(path, datum)),
    };
  }

  /** Notes the folders of the path that are string prefixes of the first path. */
  #follow(path: string, datum: bigint): void {
    this.#first ??= path;
    if (path === this.#first) this.#shared = path.length;
    let shared = 0;
    while (shared < this.#shared && path[shared] === this.#first[shared]) shared++;
    this.#shared = shared;
    for (let slash = path.indexOf("/", 1); slash > 0 && slash <= shared; slash = path.indexOf("/", slash + 1)) {
      const folder = path.slice(0, slash);
      if (!this.#leading.has(folder)) this.#leading.set(folder, datum);
    }
  }
}

/** All conflicts of a job: those of its shards, in order, and those between them. At most 100. */
export function foldConflicts(shards: readonly store.MergedShard[]): store.PathConflict[] {
  const found: store.PathConflict[] = [];
  const reported = new Set<string>();
  let open: readonly store.PathOwner[] = [];
  for (const shard of shards) {
    for (const folder of shard.leadingFolders) {
      const file = open.find(({ path }) => path === folder.path);
      if (file === undefined || reported.has(file.path)) continue;
      reported.add(file.path);
      found.push(fileAndFolder(file.path, file.datum, folder.datum));
    }
    for (const conflict of shard.conflicts) {
      found.push(conflict);
      if (conflict.kind === store.PathConflictKind.FILE_AND_FOLDER) reported.add(conflict.path);
    }
    if (shard.index === undefined) continue;
    const { lastPath } = shard.index;
    const stillOpen = open.filter(({ path }) => lastPath.startsWith(path));
    const own = new Set(shard.openFiles.map(({ path }) => path));
    open = [...stillOpen.filter(({ path }) => !own.has(path)), ...shard.openFiles];
  }
  return found.sort(byPath).slice(0, CONFLICTS_MAX);
}

export function twoWriters(path: string, first: bigint, second: bigint): store.PathConflict {
  const kind = store.PathConflictKind.TWO_WRITERS;
  return create(store.PathConflictSchema, { kind, path, firstDatum: first, secondDatum: second });
}

function fileAndFolder(path: string, ofFile: bigint, ofFolder: bigint): store.PathConflict {
  const [firstDatum, secondDatum] = ofFile < ofFolder ? [ofFile, ofFolder] : [ofFolder, ofFile];
  const kind = store.PathConflictKind.FILE_AND_FOLDER;
  const detail = `datum ${ofFile} wrote a file where datum ${ofFolder} has a folder`;
  return create(store.PathConflictSchema, { kind, path, firstDatum, secondDatum, detail });
}

function byPath(a: store.PathConflict, b: store.PathConflict): number {
  return comparePaths(a.path, b.path) || a.kind - b.kind;
}

function pathOwner(path: string, datum: bigint): store.PathOwner {
  return create(store.PathOwnerSchema, { path, datum });
}
