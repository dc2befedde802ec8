/**
 * Writes the index of a commit: shards of sorted files, and the manifest that names them. Memory: one shard, packed, and
 * some 300 bytes per shard of the commit.
 */
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { utf8 } from "../bytes.ts";
import { putMessage } from "../object.ts";
import { fileRecords } from "../table/records.ts";
import { type SectionWriter, TableWriter } from "../table/table-writer.ts";

const SHARD_FILES = 50_000;
const SHARD_BYTES = 4 * 1024 * 1024;

export interface ShardLimits {
  /** Files of a shard. Default 50,000. */
  readonly shardFiles?: number;
  /** Bytes of a shard's unpacked index. Default 4 MiB. */
  readonly shardBytes?: number;
}

/** One shard of an index. */
export class ShardWriter {
  readonly #table = new TableWriter();
  readonly #section: SectionWriter = this.#table.section();
  #first: string | undefined;
  #last = "";
  #files = 0;
  #bytes = 0n;
  #raw = 0;

  get files(): number {
    return this.#files;
  }

  /** Bytes of the unpacked index. */
  get raw(): number {
    return this.#raw;
  }

  add(entry: store.FileEntry): void {
    this.addPacked(entry.path, entry.size, fileRecords.encode(entry));
  }

  /** Adds an entry that is a FileEntry message already. */
  addPacked(path: string, size: bigint, message: Uint8Array): void {
    this.#section.addPacked(utf8(path), message);
    this.#first ??= path;
    this.#last = path;
    this.#files++;
    this.#bytes += size;
    this.#raw += message.length;
  }

  /** Stores the shard; undefined when it is empty. */
  async finish(target: Store): Promise<store.IndexShard | undefined> {
    if (this.#first === undefined) return undefined;
    const footer = create(store.IndexFooterSchema, { version: 1, files: this.#section.finish() });
    const table = await this.#table.put(target, "indexes", store.IndexFooterSchema, footer);
    return create(store.IndexShardSchema, {
      table,
      firstPath: this.#first,
      lastPath: this.#last,
      files: BigInt(this.#files),
      bytes: this.#bytes,
    });
  }
}

/** A commit's index, shard by shard. */
export class IndexWriter {
  readonly #store: Store;
  readonly #shardFiles: number;
  readonly #shardBytes: number;
  readonly #shards: store.IndexShard[] = [];
  #open = new ShardWriter();

  constructor(target: Store, limits: ShardLimits = {}) {
    this.#store = target;
    this.#shardFiles = limits.shardFiles ?? SHARD_FILES;
    this.#shardBytes = limits.shardBytes ?? SHARD_BYTES;
  }

  /** The next file in path order. */
  async add(entry: store.FileEntry): Promise<void> {
    this.#open.add(entry);
    if (this.#open.files >= this.#shardFiles || this.#open.raw >= this.#shardBytes) await this.#endShard();
  }

  /** Takes over a shard that exists, whose paths come next. */
  async addShard(shard: store.IndexShard): Promise<void> {
    await this.#endShard();
    this.#shards.push(shard);
  }

  async finish(): Promise<{
    readonly ref: store.ObjectRef;
    readonly manifest: store.CommitManifest;
  }> {
    await this.#endShard();
    return putManifest(this.#store, this.#shards);
  }

  async #endShard(): Promise<void> {
    const shard = await this.#open.finish(this.#store);
    if (shard === undefined) return;
    this.#shards.push(shard);
    this.#open = new ShardWriter();
  }
}

/** Writes the manifest of a commit that is made of these shards, in path order. */
export async function putManifest(
  target: Store,
  shards: readonly store.IndexShard[],
): Promise<{ readonly ref: store.ObjectRef; readonly manifest: store.CommitManifest }> {
  let files = 0n;
  let bytes = 0n;
  let lastPath: string | undefined;
  for (const shard of shards) {
    // A path that goes on in this shard was counted in the one before.
    files += shard.files - (shard.firstPath === lastPath ? 1n : 0n);
    bytes += shard.bytes;
    lastPath = shard.lastPath;
  }
  const manifest = create(store.CommitManifestSchema, {
    version: 1,
    shards: [...shards],
    files,
    bytes,
  });
  return {
    ref: await putMessage(target, "commits", store.CommitManifestSchema, manifest),
    manifest,
  };
}
