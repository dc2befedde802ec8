/**
 * Reads the tree of a commit: its files in path order, single paths, folders.
 *
 * A path whose content was cut over several shards is one file: its parts are joined here, nowhere else.
 *
 * Memory: the manifest (some 300 bytes per shard), the footers of up to TABLES_KEPT shards, and what a read needs.
 */
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { utf8 } from "../bytes.ts";
import { corrupt, getMessage } from "../object.ts";
import { contentHash } from "../pack/content.ts";
import { comparePaths, rangeUnder } from "../path.ts";
import { Recent } from "../recent.ts";
import { fileRecords } from "../table/records.ts";
import { blocksIn, openTable, readBlock, readRecordBlocks, type Table } from "../table/table-reader.ts";

const TABLES_KEPT = 8;
/** Unpacked blocks, for lookups: some 300 entries each. */
const BLOCKS_KEPT = 16;

/** Paths from `from` (included) up to `to` (not included), that begin with `prefix`. All optional. */
export interface PathRange {
  readonly from?: string;
  readonly to?: string;
  /** Any text, also one that ends in the middle of a name. */
  readonly prefix?: string;
}

/** Opens the commit; without a manifest it is empty. */
export async function openCommit(source: Store, manifest: store.ObjectRef | undefined): Promise<CommitReader> {
  if (manifest === undefined) return new CommitReader(source, create(store.CommitManifestSchema, { version: 1 }));
  return new CommitReader(source, await getMessage(source, store.CommitManifestSchema, manifest));
}

/** The files of a commit, in path order. */
export async function* readCommit(
  source: Store,
  manifest: store.ObjectRef | undefined,
  range: PathRange = {},
): AsyncGenerator<store.FileEntry, void, void> {
  yield* (await openCommit(source, manifest)).files(range);
}

export class CommitReader {
  readonly #store: Store;
  readonly manifest: store.CommitManifest;
  readonly #tables = new Recent<number, Table<store.IndexFooter>>(TABLES_KEPT);
  readonly #recent = new Recent<string, store.FileEntry[]>(BLOCKS_KEPT);

  constructor(source: Store, manifest: store.CommitManifest) {
    this.#store = source;
    this.manifest = manifest;
  }

  /** The files of the range, in path order. */
  async *files(range: PathRange = {}): AsyncGenerator<store.FileEntry, void, void> {
    const { from, to } = bounds(range);
    const { shards } = this.manifest;
    let held: store.FileEntry | undefined;
    for (let i = this.shardAt(from); i < shards.length; i++) {
      if (to !== undefined && comparePaths((shards[i] as store.IndexShard).firstPath, to) >= 0) break;
      for await (const block of this.#blocks(i, from, to)) {
        for (const entry of block) {
          if (held?.path === entry.path) {
            held = joined(held, entry);
            continue;
          }
          if (held !== undefined) yield held;
          held = entry;
        }
      }
    }
    if (held !== undefined) yield held;
  }

  /** The file at the path, or undefined (also when there is a folder). */
  async find(path: string): Promise<store.FileEntry | undefined> {
    // No path sorts between a path and the same with a zero byte.
    const range = { from: path, to: `${path}\0` };
    const at = this.shardAt(path);
    const isCut = this.manifest.shards[at]?.lastPath === path && this.manifest.shards[at + 1]?.firstPath === path;
    if (!isCut) return this.#first(range.from, range.to);
    for await (const entry of this.files(range)) return entry;
    return undefined;
  }

  /** The path of the first file under the folder, at any depth. */
  async firstUnder(folder: string): Promise<string | undefined> {
    const { from, to } = rangeUnder(folder);
    return (await this.#first(from, to))?.path;
  }

  /** Entries of one shard in [from, to), as they are stored: a path may go on in the next shard. */
  async *shardFiles(
    shard: number,
    range: { readonly from: string; readonly to?: string },
  ): AsyncGenerator<store.FileEntry, void, void> {
    for await (const block of this.#blocks(shard, range.from, range.to)) yield* block;
  }

  /** Index of the first shard that can hold the path or a later one. */
  shardAt(path: string): number {
    const { shards } = this.manifest;
    let low = 0;
    let high = shards.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (comparePaths((shards[middle] as store.IndexShard).lastPath, path) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  async *#blocks(shard: number, from: string, to: string | undefined): AsyncGenerator<store.FileEntry[], void, void> {
    const table = await this.#table(shard);
    const range = { from: utf8(from), to: to === undefined ? undefined : utf8(to) };
    yield* readRecordBlocks(table, table.footer.files, fileRecords, range);
  }

  /** The first entry in [from, to), as it is stored. Lookups that are near each other read a block once. */
  async #first(from: string, to: string): Promise<store.FileEntry | undefined> {
    const { shards } = this.manifest;
    for (let i = this.shardAt(from); i < shards.length; i++) {
      if (comparePaths((shards[i] as store.IndexShard).firstPath, to) >= 0) return undefined;
      const table = await this.#table(i);
      for (const ref of blocksIn(table.footer.files, { from: utf8(from), to: utf8(to) })) {
        const entries = await this.#recent.get(`${i}:${ref.offset}`, () => readBlock(table, ref, fileRecords));
        const entry = entries[firstFrom(entries, from)];
        if (entry !== undefined) return comparePaths(entry.path, to) < 0 ? entry : undefined;
      }
    }
    return undefined;
  }

  #table(shard: number): Promise<Table<store.IndexFooter>> {
    return this.#tables.get(shard, () => openShard(this.#store, this.manifest.shards[shard] as store.IndexShard));
  }
}

/** Index of the first entry at or after the path. */
function firstFrom(entries: readonly store.FileEntry[], path: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (comparePaths((entries[middle] as store.FileEntry).path, path) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Opens one shard of an index. */
export async function openShard(source: Store, shard: store.IndexShard): Promise<Table<store.IndexFooter>> {
  if (shard.table === undefined) throw corrupt("of a commit", "a shard names no table");
  return openTable(source, shard.table, store.IndexFooterSchema);
}

/** The parts of one file as one: their bytes follow each other. */
export function joined(first: store.FileEntry, second: store.FileEntry): store.FileEntry {
  const segments = [...first.segments, ...second.segments];
  return create(store.FileEntrySchema, {
    path: first.path,
    size: first.size + second.size,
    hash: contentHash(segments),
    executable: first.executable || second.executable,
    segments,
    datum: first.datum,
  });
}

function bounds(range: PathRange): { readonly from: string; readonly to: string | undefined } {
  const prefix = range.prefix ?? "";
  const from = range.from !== undefined && comparePaths(range.from, prefix) > 0 ? range.from : prefix;
  const end = endOfPrefix(prefix);
  if (end === undefined) return { from, to: range.to };
  return { from, to: range.to !== undefined && comparePaths(range.to, end) < 0 ? range.to : end };
}

/** The first text after all that begin with the prefix: its last character made one greater. */
function endOfPrefix(prefix: string): string | undefined {
  const last = prefix.codePointAt(prefix.length - 1 - (isLowSurrogate(prefix.charCodeAt(prefix.length - 1)) ? 1 : 0));
  if (last === undefined || last === 0x10ffff) return undefined;
  // Surrogates are no characters: the next one after U+D7FF is U+E000.
  const next = last + 1 === 0xd800 ? 0xe000 : last + 1;
  return prefix.slice(0, prefix.length - (last > 0xffff ? 2 : 1)) + String.fromCodePoint(next);
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
