/**
 * Finds what a command left in its output folder. The command is dead by then, but what it left is not to be trusted: a
 * link may point anywhere, a FIFO blocks who opens it, a name may be no text, a file may claim to be larger than the disk.
 *
 * O1, O5. What is read is what was looked at: output-file.ts.
 * O2. A symbolic link to a file or folder inside out/ or inside the datum's inputs is stored as a copy of it; one to an input
 *     whose content is not here (empty_files, lazy) as a reference to that content. Any other fails the datum.
 * O3. Names are read as bytes: read as text, a name that is not UTF-8 would be lost silently.
 * O4. The walk is iterative, streams large folders, and is limited in depth, number and bytes. The bytes are those that the
 *     files claim to have: a hole costs nothing here, and as much as anything else once it is stored.
 *
 * Memory: some 300 bytes for each file.
 */
import { type Dirent, lstatSync, opendirSync, readdirSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { comparePaths, parsePath } from "@sheaf/files";
import type { store } from "@sheaf/proto";
import { targetOf } from "./links.ts";
import type { Failure } from "./outcome.ts";
import { codeOf, lookOf, type OutputFile, show, unreadable } from "./output-file.ts";

export type Collected =
  | { readonly ok: true; readonly files: readonly OutputFile[] }
  | { readonly ok: false; readonly failure: Failure };

/** The folders of a datum. */
export interface Places {
  readonly out: string;
  /** Holds out/ and the inputs. The folder that holds it lies where no link is above it, and the command may not change that. */
  readonly pfs: string;
  /** Where the command found `pfs`, beside there and at /pfs. */
  readonly seen?: string;
  /** The content of an input that is not here, by its path below `pfs`: "in/a/b". */
  readonly absent?: (path: string) => store.FileEntry | undefined;
}

export interface CollectorLimits {
  readonly depth?: number;
  readonly entries?: number;
  /** Of all files together. Undefined: no limit but that on holes. */
  readonly bytes?: number | undefined;
  /** Bytes that files claim to have and that no disk holds, in a datum without a limit. */
  readonly holeBytes?: number;
}

const DEPTH_MAX = 100;
/** What the engine's heap holds (new-thread.ts): a file takes some 1 KiB of it until its run is written. */
const ENTRIES_MAX = 500_000;
const HOLE_BYTES_MAX = 1024 * 1024 * 1024;
const BLOCK_BYTES = 512;
/** A folder of so many bytes (some thousand entries) is read at once, which costs a quarter of what streaming does. */
const SMALL_FOLDER_BYTES = 64 * 1024;
/** Entries that are read from a larger folder at a time. */
const FOLDER_BUFFER = 256;
const SLASH = Buffer.from("/");
/** Where a command sees its datum, if it may be mounted. */
const PFS = "/pfs";

interface Folder {
  /** In the output: "" for the top, or "/a". */
  readonly path: string;
  /** Free of links. */
  readonly source: string | Buffer;
  readonly depth: number;
}

/** Lists the regular files in `out`, sorted by their paths. Empty folders are dropped. */
export function collect(places: Places, limits: CollectorLimits = {}): Collected {
  const missing = whyNoFolder(places);
  return missing === undefined ? new Walk(places, limits).run() : failed("OUTPUT_MISSING", missing);
}

/** What stands in the place of the output folder may be anybody's: nothing is read of it. */
function whyNoFolder({ pfs, out }: Places): string | undefined {
  try {
    const areFolders = [dirname(pfs), pfs, out].every((folder) => lstatSync(folder).isDirectory());
    return areFolders ? undefined : "the command put something else in the place of its output folder";
  } catch (error) {
    return `the output folder is not there any more: the command removed or closed it (${codeOf(error)})`;
  }
}

class Walk {
  readonly #places: Places;
  readonly #limits: CollectorLimits;
  readonly #files: OutputFile[] = [];
  readonly #todo: Folder[];
  #entries = 0;
  #bytes = 0;
  #holeBytes = 0;

  constructor(places: Places, limits: CollectorLimits) {
    this.#places = places;
    this.#limits = limits;
    this.#todo = [{ path: "", source: places.out, depth: 1 }];
  }

  run(): Collected {
    for (let folder = this.#todo.pop(); folder !== undefined; folder = this.#todo.pop()) {
      const failure = this.#list(folder);
      if (failure !== undefined) return { ok: false, failure };
    }
    const failure = this.#tooLarge();
    if (failure !== undefined) return { ok: false, failure };
    return { ok: true, files: this.#files.sort((a, b) => comparePaths(a.path, b.path)) };
  }

  #list(folder: Folder): Failure | undefined {
    const depth = this.#limits.depth ?? DEPTH_MAX;
    if (folder.depth > depth)
      return { reason: "OUTPUT_TOO_DEEP", message: `${show(folder.path)} is more than ${depth} folders deep` };
    try {
      for (const entry of entriesOf(folder.source)) {
        const failure = this.#add(folder, entry);
        if (failure !== undefined) return failure;
      }
      return undefined;
    } catch (error) {
      return unreadable(folder.path, error);
    }
  }

  #add(folder: Folder, entry: Dirent<Buffer>): Failure | undefined {
    const limit = this.#limits.entries ?? ENTRIES_MAX;
    if (++this.#entries > limit)
      return { reason: "TOO_MANY_OUTPUTS", message: `a datum may write ${limit} files; this one wrote more` };
    const name = textOf(entry.name);
    if (name === undefined) return badName(`${folder.path}/${escaped(entry.name)}`, "it is not valid UTF-8");
    const path = `${folder.path}/${name}`;
    const parsed = parsePath(path);
    if (!parsed.ok) return badName(path, parsed.message);
    if (entry.isSymbolicLink()) return this.#addLink(folder, path, entry.name);
    return this.#addTarget(path, below(folder.source, name), folder.depth, entry);
  }

  /** `type`: what is known of it. */
  #addTarget(path: string, source: string | Buffer, depth: number, type: Typed): Failure | undefined {
    if (type.isDirectory()) {
      this.#todo.push({ path, source, depth: depth + 1 });
      return undefined;
    }
    const entry = this.#absentAt(source);
    if (!type.isFile()) {
      if (entry === undefined || !type.isFIFO()) return special(path, type);
      this.#files.push({ kind: "reference", path, entry });
      return undefined;
    }
    const stat = lstatSync(source);
    if (entry !== undefined && stat.size === 0) this.#files.push({ kind: "reference", path, entry });
    else this.#addFile(path, source, stat);
    return undefined;
  }

  #addFile(path: string, source: string | Buffer, stat: Stats): void {
    this.#bytes += stat.size;
    this.#holeBytes += Math.max(0, stat.size - stat.blocks * BLOCK_BYTES);
    this.#files.push({ kind: "file", path, source, look: lookOf(stat) });
  }

  /** O2. */
  #addLink(folder: Folder, path: string, name: Buffer): Failure | undefined {
    const at = bytesOf(folder.source);
    const pfs = bytesOf(this.#places.pfs);
    const { seen = PFS } = this.#places;
    const target = targetOf(at, name.toString("latin1"), pfs, [PFS, seen]);
    const escapes = (detail: string) => ({
      reason: "SYMLINK_ESCAPE",
      message: `the output ${show(path)} is a symbolic link ${detail}`,
    });
    if (target.kind === "circle") return escapes("that leads round in a circle");
    const shown = escaped(Buffer.from(target.path, "latin1"));
    if (!isBelow(target.path, pfs)) return escapes(`to ${shown}, outside the output and the inputs`);
    const source = Buffer.from(target.path, "latin1");
    const stat = lstatSync(source, { throwIfNoEntry: false });
    if (stat === undefined) return escapes(`to ${shown}, where nothing is`);
    if (stat.isDirectory() && isBelow(at, target.path)) return escapes("to a folder that it lies in");
    return this.#addTarget(path, source, folder.depth, stat);
  }

  #absentAt(source: string | Buffer): store.FileEntry | undefined {
    const { absent, pfs } = this.#places;
    if (absent === undefined) return undefined;
    const text = source.toString();
    return text.startsWith(`${pfs}/`) ? absent(text.slice(pfs.length + 1)) : undefined;
  }

  /** O4. */
  #tooLarge(): Failure | undefined {
    const { bytes, holeBytes = HOLE_BYTES_MAX } = this.#limits;
    if (bytes !== undefined) return aboveLimit(this.#bytes, bytes);
    if (this.#holeBytes <= holeBytes) return undefined;
    return tooLarge(
      `the output claims ${this.#bytes} bytes, ${this.#holeBytes} of them in holes that are on no disk; without resource_limits.disk a datum may have ${holeBytes}`,
    );
  }
}

function entriesOf(folder: string | Buffer): Iterable<Dirent<Buffer>> {
  if (lstatSync(folder).size > SMALL_FOLDER_BYTES) return streamed(folder);
  return readdirSync(folder, { encoding: "buffer", withFileTypes: true });
}

function* streamed(folder: string | Buffer): Generator<Dirent<Buffer>, void, void> {
  using entries = opendirSync(folder as string, { encoding: "buffer" as never, bufferSize: FOLDER_BUFFER });
  for (let entry = entries.readSync(); entry !== null; entry = entries.readSync())
    yield entry as unknown as Dirent<Buffer>;
}

interface Typed {
  isFile(): boolean;
  isDirectory(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
  isCharacterDevice(): boolean;
  isBlockDevice(): boolean;
}

function special(path: string, type: Typed): Failure {
  const isDevice = type.isCharacterDevice() || type.isBlockDevice();
  const what = type.isFIFO() ? "a FIFO" : type.isSocket() ? "a socket" : isDevice ? "a device" : "something unknown";
  return { reason: "SPECIAL_FILE", message: `the output ${show(path)} is no regular file but ${what}` };
}

/** Text where text will do: a Buffer for each of so many files would cost more than all the rest. */
function below(folder: string | Buffer, name: string): string | Buffer {
  return typeof folder === "string" ? `${folder}/${name}` : Buffer.concat([folder, SLASH, Buffer.from(name)]);
}

function bytesOf(path: string | Buffer): string {
  return Buffer.from(path as string).toString("latin1");
}

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

const TEXT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** O3. */
function textOf(name: Uint8Array): string | undefined {
  try {
    return TEXT.decode(name);
  } catch {
    return undefined;
  }
}

function badName(path: string, why: string): Failure {
  return { reason: "BAD_NAME", message: `the output ${show(path)} cannot be stored: ${why}` };
}

/** Bytes that are no plain text, shown as \xNN. */
function escaped(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString("latin1")
    .replaceAll(/[^\x20-\x7e]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** Of a datum that puts out `bytes`, where its spec allows `limit`. */
export function aboveLimit(bytes: number, limit: number | undefined): Failure | undefined {
  if (limit === undefined || bytes <= limit) return undefined;
  return tooLarge(`the output has ${bytes} bytes; resource_limits.disk allows ${limit}`);
}

/** Of a command that runs and has written more than `limit`. */
export function aboveWhileRunning(limit: number): Failure {
  return tooLarge(
    `the command had written more than the ${limit} bytes that resource_limits.disk allows, and was ended`,
  );
}

function tooLarge(message: string): Failure {
  return { reason: "OUTPUT_TOO_LARGE", message };
}

function failed(reason: string, message: string): { readonly ok: false; readonly failure: Failure } {
  return { ok: false, failure: { reason, message } };
}
