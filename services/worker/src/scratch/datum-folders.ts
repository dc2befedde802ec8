/**
 * The folders that datums live in:
 *
 *     <root>/<n>/            where the command starts
 *     <root>/<n>/pfs/<input>/<path>
 *     <root>/<n>/pfs/out/
 *
 * Making and removing folders is the dearest part of a small datum (a quarter of a millisecond of CPU on ext4, and waits for
 * its journal), so a folder is used again for another datum when it can be made as good as new cheaply:
 *
 *   G1. A folder that is used again holds exactly what a new one would: only folders that we made, with the modes that we
 *       gave, and nothing in them. Anything unexpected, and the whole folder is removed instead.
 *   G2. What a datum needs is decided before: folders of the one before that it does not need go.
 *   G3. Nothing is made or removed below a folder that was not looked at: the command may have put a link in its place.
 */
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { removeFolderLater } from "./remove.ts";
import { bytesFreeIn, type Lack, lackOn } from "./room.ts";

/** Folders that wait to be used again; and files in out/ that are removed one by one for it. */
const KEPT_MAX = 128;
const OUTPUTS_MAX = 64;

export class DatumFolder {
  readonly path: string;
  /** How the command names it. */
  readonly seen: string;
  /** Folders below `pfs`, parents first: "in", "in/a". */
  readonly #made = new Set<string>();
  #files: string[] = [];
  /** That of the folders that we made. */
  readonly #mode: number | undefined;
  #isGiven = false;

  /** `isOurs`: it is made now; else somebody else makes it, or not, and it is not used again. */
  constructor(path: string, isOurs: boolean, seen = path) {
    this.path = path;
    this.seen = seen;
    if (!isOurs) return;
    mkdirSync(path);
    mkdirSync(this.pfs);
    mkdirSync(this.out);
    this.#mode = lstatSync(path).mode;
  }

  get pfs(): string {
    return `${this.path}/pfs`;
  }

  get out(): string {
    return `${this.path}/pfs/out`;
  }

  /** G2. Makes the folders for these files, given below `pfs`: "in/a/f". */
  prepare(files: readonly string[]): void {
    const needed = new Set<string>();
    for (const file of files) addFolders(needed, dirname(file));
    for (const folder of [...this.#made].reverse()) {
      if (needed.has(folder)) continue;
      rmdirSync(`${this.pfs}/${folder}`);
      this.#made.delete(folder);
    }
    for (const folder of needed) {
      if (this.#made.has(folder)) continue;
      mkdirSync(`${this.pfs}/${folder}`);
      this.#made.add(folder);
    }
    this.#files = files.map((file) => `${this.pfs}/${file}`);
  }

  /** With its inputs in it: it becomes the user's own, and the output folder; the inputs become the user's to read. Not used again. */
  giveTo({ uid, gid }: { readonly uid: number; readonly gid: number }): void {
    this.#isGiven = true;
    // The worker's umask may have closed what it made.
    for (const folder of ["", ...this.#made]) chmodSync(`${this.pfs}/${folder}`, 0o755);
    for (const file of this.#files) chmodSync(file, (lstatSync(file).mode & 0o100) === 0 ? 0o444 : 0o555);
    chmodSync(this.path, 0o700);
    for (const folder of [this.path, this.out]) chownSync(folder, uid, gid);
  }

  /** Whether it could be made as good as new (G1). Looks first: a link in the place of a folder would lead out of here (G3). */
  renew(): boolean {
    if (this.#mode === undefined || this.#isGiven) return false;
    try {
      if (!this.#foldersAreOurs()) return false;
      for (const file of this.#files) unlinkSync(file);
      return this.#emptyOut() && this.#isAsMade();
    } catch {
      return false;
    }
  }

  #emptyOut(): boolean {
    const entries = readdirSync(this.out, { withFileTypes: true, encoding: "buffer" });
    if (entries.length > OUTPUTS_MAX) return false;
    for (const entry of entries) {
      if (!entry.isFile()) return false;
      unlinkSync(Buffer.concat([Buffer.from(`${this.out}/`), entry.name]));
    }
    return true;
  }

  #isAsMade(): boolean {
    const children = new Map<string, number>([["", 1]]);
    for (const folder of this.#made) {
      const parent = dirname(folder) === "." ? "" : dirname(folder);
      children.set(parent, (children.get(parent) ?? 0) + 1);
    }
    // What was in out/ has just been removed.
    if (!this.#holds(this.path, 1) || !this.#holds(this.pfs, children.get("") ?? 0)) return false;
    for (const folder of this.#made) if (!this.#holds(`${this.pfs}/${folder}`, children.get(folder) ?? 0)) return false;
    return true;
  }

  /** All that we made, parents first. */
  #foldersAreOurs(): boolean {
    if (!this.#isOurs(this.path) || !this.#isOurs(this.pfs) || !this.#isOurs(this.out)) return false;
    for (const folder of this.#made) if (!this.#isOurs(`${this.pfs}/${folder}`)) return false;
    return true;
  }

  #isOurs(folder: string): boolean {
    const stat = lstatSync(folder);
    return stat.isDirectory() && stat.mode === this.#mode;
  }

  /** Whether the folder has so many entries. What they are was seen when they were looked at in turn. */
  #holds(folder: string, entries: number): boolean {
    return readdirSync(folder).length === entries;
  }
}

/** "a/b" adds "a" and "a/b". */
function addFolders(folders: Set<string>, folder: string): void {
  if (folder === "." || folders.has(folder)) return;
  addFolders(folders, dirname(folder));
  folders.add(folder);
}

export class DatumFolders {
  readonly #root: string;
  /** That of the root. */
  readonly #inode: number;
  readonly #onTrouble: (folder: string, error: unknown) => void;
  readonly #kept: DatumFolder[] = [];
  readonly #removals = new Set<Promise<void>>();
  #count = 0;

  /** `onTrouble`: a folder could not be removed. */
  constructor(root: string, onTrouble: (folder: string, error: unknown) => void) {
    this.#root = root;
    this.#inode = lstatSync(root).ino;
    this.#onTrouble = onTrouble;
  }

  /** Whether the root is what it was: in a pod a command can take it away, or put something in its place. */
  get isWhole(): boolean {
    return lstatSync(this.#root, { throwIfNoEntry: false })?.ino === this.#inode;
  }

  /** Of the disk that they are on. */
  get bytesFree(): number {
    return bytesFreeIn(this.#root);
  }

  /** What that disk lacks. */
  get lacks(): Lack | undefined {
    return lackOn(this.#root);
  }

  /** A folder as good as new. Throws as the system does when there can be none. */
  take(): DatumFolder {
    const kept = this.#kept.pop();
    if (kept !== undefined) return kept;
    if (!this.isWhole)
      throw Object.assign(new Error(`${this.#root} was removed or replaced`), { code: "ENOENT", syscall: "mkdir" });
    return new DatumFolder(this.reserve(), true);
  }

  /** A path that no other datum has. */
  reserve(): string {
    return `${this.#root}/${this.#count++}`;
  }

  /** A folder at a reserved path, that whoever runs the datum makes if need be. */
  adopt(path: string): DatumFolder {
    return new DatumFolder(path, false);
  }

  /** Nothing of what is in it is needed any more. */
  give(folder: DatumFolder): void {
    if (this.#kept.length < KEPT_MAX && folder.renew()) this.#kept.push(folder);
    else this.#remove(folder.path);
  }

  /** Resolves when all is gone that was given back until now, and is not used again. */
  async removed(): Promise<void> {
    await Promise.all(this.#removals);
  }

  #remove(folder: string): void {
    const removal = removeFolderLater(folder)
      .catch((error: unknown) => this.#onTrouble(folder, error))
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }
}
