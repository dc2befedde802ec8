/**
 * Finds what a glob matches in a sorted stream of files: in one pass, and with no more memory than one match needs.
 *
 * A match is a file, a folder with all files under it, or the whole repo. Matches come in the order of their paths, where
 * a folder stands as its path and a slash: before all that lies in it, and after files like "/a-b" when it is "/a".
 *
 * A folder's match is complete only when the stream has left the folder. Matches inside it are complete sooner but stand
 * after it, so they wait until the outermost matching folder is complete: hence at most the files of one outermost folder
 * are held, once per match that they belong to.
 */
import type { store } from "@sheaf/proto";
import type { Glob } from "../glob.ts";
import { foldersOf, isUnder } from "../path.ts";

/** A path that matches, with the files that it brings. */
export interface Match {
  /** "/a" for a file or a folder, "/" for the whole repo. */
  readonly path: string;
  readonly files: readonly store.FileEntry[];
}

interface OpenMatch {
  readonly path: string;
  readonly files: store.FileEntry[];
}

export async function* findMatches(
  files: AsyncIterable<store.FileEntry> | Iterable<store.FileEntry>,
  glob: Glob,
): AsyncGenerator<Match, void, void> {
  const finder = new Finder(glob);
  for await (const file of files) yield* finder.take(file);
  yield* finder.end();
}

class Finder {
  readonly #glob: Glob;
  /** Matching folders that the stream is in, outermost first. */
  readonly #open: OpenMatch[] = [];
  /** Matches since the outermost open one began, in the order of their paths. */
  #waiting: OpenMatch[] = [];
  /** Folders of the last file: they have been tried. */
  #folders: readonly string[] = [];
  #begun = false;

  constructor(glob: Glob) {
    this.#glob = glob;
  }

  /** The matches that are complete now. */
  take(file: store.FileEntry): readonly Match[] {
    const done = this.#leave(file.path);
    this.#enter(file.path);
    for (const match of this.#open) match.files.push(file);
    if (this.#glob.matches(file.path)) this.#waiting.push({ path: file.path, files: [file] });
    // Nothing to wait for: the file itself, if it matches, is complete as well.
    return this.#open.length > 0 ? done : [...done, ...this.#flush()];
  }

  end(): readonly Match[] {
    this.#open.length = 0;
    return this.#flush();
  }

  /** Closes the folders that the path is not in. */
  #leave(path: string): readonly Match[] {
    while (this.#open.length > 0 && !isUnder(path, (this.#open.at(-1) as OpenMatch).path)) this.#open.pop();
    return this.#open.length > 0 ? [] : this.#flush();
  }

  /** Opens matches for the folders of the path that are new and match. */
  #enter(path: string): void {
    if (this.#glob.filesOnly) return;
    const folders = foldersOf(path);
    if (!this.#begun) this.#openIfMatching("/");
    this.#begun = true;
    folders.forEach((folder, depth) => {
      if (this.#folders[depth] !== folder) this.#openIfMatching(folder);
    });
    this.#folders = folders;
  }

  #openIfMatching(folder: string): void {
    if (!this.#glob.matches(folder)) return;
    const match: OpenMatch = { path: folder, files: [] };
    this.#open.push(match);
    this.#waiting.push(match);
  }

  #flush(): readonly Match[] {
    const done = this.#waiting;
    this.#waiting = [];
    return done;
  }
}
