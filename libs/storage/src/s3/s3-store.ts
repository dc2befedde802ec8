/**
 * A store in a bucket of S3, or of a server that speaks like it. Keys are those of the seam behind the address's prefix.
 *
 * Memory beside what is given back: 64 MiB for uploads (s3-upload.ts), 32 MiB for each stream, 4 MiB for each group of small
 * reads (grouped-reads.ts), and 64 KiB per request, of which 48 run at a time.
 */
import { DeleteObjectCommand, ListObjectsV2Command, type ListObjectsV2CommandOutput } from "@aws-sdk/client-s3";
import { GroupedReads } from "../grouped-reads.ts";
import {
  type ByteRange,
  checkKey,
  type ObjectInfo,
  type ObjectSource,
  type PresignedRange,
  type PutResult,
  type Store,
} from "../store.ts";
import type { S3Address } from "./s3-address.ts";
import { S3Connection, type S3Options } from "./s3-connection.ts";
import { S3Downloads } from "./s3-download.ts";
import { noS3Server } from "./s3-failure.ts";
import { S3Uploads } from "./s3-upload.ts";

const ALL: ByteRange = { offset: 0, length: Number.MAX_SAFE_INTEGER };

/**
 * Opens the store. Asks the server once, so that a wrong key, bucket or endpoint is told now: STORE_ACCESS_DENIED,
 * STORE_NOT_FOUND, STORE_UNAVAILABLE, STORE_URL (the region).
 */
export async function s3Store(address: S3Address, options: S3Options = {}): Promise<Store> {
  const store = new S3Store(address, options);
  if (options.onWrong !== undefined) {
    store.probe().catch(options.onWrong);
    return store;
  }
  try {
    await store.probe();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

class S3Store implements Store {
  readonly url: string;
  readonly near = false;
  readonly #connection: S3Connection;
  readonly #uploads: S3Uploads;
  readonly #downloads: S3Downloads;
  readonly #reads: GroupedReads;

  constructor(address: S3Address, options: S3Options) {
    this.url = address.url;
    this.#connection = new S3Connection(address, options);
    this.#downloads = new S3Downloads(this.#connection);
    this.#uploads = new S3Uploads(this.#connection, async (key) => (await this.#downloads.size(key)) !== null);
    this.#reads = new GroupedReads((key, range) => this.#downloads.get(key, range));
  }

  async probe(): Promise<void> {
    await this.#page("", undefined, 1);
  }

  async put(key: string, source: ObjectSource): Promise<PutResult> {
    checkKey(key);
    return this.#uploads.put(key, source);
  }

  async get(key: string, range: ByteRange = ALL): Promise<Uint8Array> {
    checkKey(key);
    return this.#reads.get(key, range);
  }

  async *stream(key: string, range: ByteRange = ALL): AsyncGenerator<Uint8Array, void, void> {
    checkKey(key);
    yield* this.#downloads.stream(key, range);
  }

  async presign(key: string, range: ByteRange, seconds: number): Promise<PresignedRange> {
    checkKey(key);
    return this.#connection.presign(key, range, seconds);
  }

  async head(key: string): Promise<{ readonly size: number } | null> {
    checkKey(key);
    const size = await this.#downloads.size(key);
    return size === null ? null : { size };
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo, void, void> {
    const { length } = this.#connection.address.prefix;
    let after: string | undefined;
    do {
      const page: ListObjectsV2CommandOutput = await this.#page(prefix, after);
      for (const { Key = "", Size = 0, LastModified } of page.Contents ?? [])
        yield { key: Key.slice(length), size: Size, modifiedMs: LastModified?.getTime() ?? 0 };
      after = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (after !== undefined);
  }

  async delete(key: string): Promise<boolean> {
    checkKey(key);
    if ((await this.#downloads.size(key)) === null) return false;
    const { bucket, prefix } = this.#connection.address;
    const request = { Bucket: bucket, Key: prefix + key };
    await this.#connection.call(`delete ${key}`, (client) => client.send(new DeleteObjectCommand(request)));
    return true;
  }

  localPath(): null {
    return null;
  }

  async close(): Promise<void> {
    this.#connection.close();
  }

  #page(prefix: string, after: string | undefined, most?: number): Promise<ListObjectsV2CommandOutput> {
    const { bucket, prefix: own } = this.#connection.address;
    const request = { Bucket: bucket, Prefix: own + prefix, ContinuationToken: after, MaxKeys: most };
    const doing = `list ${prefix || "the store"}`;
    return this.#connection.call(doing, async (client) => {
      const page = await client.send(new ListObjectsV2Command(request));
      // A page of HTML is read as a list of nothing.
      if (page.Name === undefined && page.IsTruncated === undefined) throw noS3Server(this.#connection.address, doing);
      return page;
    });
  }
}
