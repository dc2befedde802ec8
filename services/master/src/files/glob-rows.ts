// What a glob matches in a sorted stream of files, as rows of a list: paths with their counts, in the order in which they would
// be datums (a folder stands as its path and a slash). Nothing of a folder is held but its sums, so a folder of a million files
// is a row like any other.
//
// Matches inside a matching folder come after it, and it is complete only when the stream has left it. So matches leave in
// groups: all up to the end of the outermost open folder. A list goes on at the begin of a group, some rows into it.

import { foldersOf, type Glob, isUnder } from "@sheaf/files";
import type { store } from "@sheaf/proto";

export interface GlobRow {
  readonly path: string;
  /** The file itself; undefined for a folder. */
  readonly file: store.FileEntry | undefined;
  files: bigint;
  bytes: bigint;
  /** First path of the row's group: reading from here on gives the group again. */
  readonly groupFrom: string;
  /** Rows of the group before this one. */
  readonly inGroup: number;
}

export async function* globRows(
  files: AsyncIterable<store.FileEntry>,
  glob: Glob,
): AsyncGenerator<GlobRow, void, void> {
  const rows = new Rows(glob);
  for await (const file of files) yield* rows.take(file);
  yield* rows.flush();
}

class Rows {
  readonly #glob: Glob;
  /** Matching folders that the stream is in, outermost first. */
  #open: GlobRow[] = [];
  #waiting: GlobRow[] = [];
  #folders: readonly string[] = [];
  #begun = false;

  constructor(glob: Glob) {
    this.#glob = glob;
  }

  take(file: store.FileEntry): readonly GlobRow[] {
    this.#open = this.#open.filter((folder) => isUnder(file.path, folder.path));
    const done = this.#open.length === 0 ? this.flush() : [];
    if (!this.#glob.filesOnly) this.#enter(file.path);
    for (const folder of this.#open) {
      folder.files++;
      folder.bytes += file.size;
    }
    if (this.#glob.matches(file.path))
      this.#waiting.push({ ...this.#begin(file.path, file.path), file, files: 1n, bytes: file.size });
    return done;
  }

  flush(): readonly GlobRow[] {
    const done = this.#waiting;
    this.#waiting = [];
    return done;
  }

  #enter(path: string): void {
    const folders = foldersOf(path);
    if (!this.#begun) this.#tryFolder("/", path);
    this.#begun = true;
    folders.forEach((folder, depth) => {
      if (this.#folders[depth] !== folder) this.#tryFolder(folder, path);
    });
    this.#folders = folders;
  }

  #tryFolder(folder: string, first: string): void {
    if (!this.#glob.matches(folder)) return;
    const row = this.#begin(folder, first);
    this.#open.push(row);
    this.#waiting.push(row);
  }

  #begin(path: string, first: string): GlobRow {
    const inGroup = this.#waiting.length;
    return { path, file: undefined, files: 0n, bytes: 0n, groupFrom: this.#waiting[0]?.groupFrom ?? first, inGroup };
  }
}
