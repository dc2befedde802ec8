/**
 * Writes the bytes of many files into packs. A pack is one object of 64 MiB or a little more, named by its hash; a file is
 * a list of segments in packs.
 *
 * A pack's name is known only when it is full or closed. So the segments that are handed out have an empty `pack` until
 * then; it is filled in, in the same Segment objects, when their pack is sealed. After `close` all are filled in, and all
 * bytes are durable.
 *
 * Files are cut into segments every 16 MiB from their own begin, never where a pack ends, so that the same bytes always
 * give the same content hash.
 *
 * Memory: the open pack and one that is being stored, at most 80 MiB each, if `ready` is awaited between files.
 */
import { createHash, type Hash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { NO_BYTES, sha256 } from "../bytes.ts";
import { packKey } from "../object.ts";
import { type Content, contentHash } from "./content.ts";

export const PACK_BYTES = 64 * 1024 * 1024;
export const SEGMENT_BYTES = 16 * 1024 * 1024;
/** Chunks of a pack's memory: the first is small, because many packs are. */
const CHUNK_BYTES_MIN = 64 * 1024;
const CHUNK_BYTES_MAX = 1024 * 1024;
const PUTS_MAX = 1;

export interface PackLimits {
  /** A pack is sealed when it has this many bytes. Default 64 MiB. */
  readonly packBytes?: number;
  /** Longest segment. Default 16 MiB, which is also the most that readers take. */
  readonly segmentBytes?: number;
}

interface OpenPack {
  /** All full but the last, which holds `used` bytes. */
  readonly chunks: Buffer[];
  used: number;
  size: number;
  readonly hash: Hash;
  readonly segments: store.Segment[];
}

export class PackWriter {
  readonly #store: Store;
  readonly #packBytes: number;
  readonly #segmentBytes: number;
  #open: OpenPack | undefined;
  readonly #puts = new Set<Promise<unknown>>();
  #failure: { readonly error: unknown } | undefined;
  readonly #packs: Uint8Array[] = [];
  #bytes = 0;

  constructor(target: Store, limits: PackLimits = {}) {
    this.#store = target;
    this.#packBytes = limits.packBytes ?? PACK_BYTES;
    this.#segmentBytes = limits.segmentBytes ?? SEGMENT_BYTES;
  }

  /** Bytes added so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Hashes of the packs that were sealed so far. */
  get packs(): readonly Uint8Array[] {
    return this.#packs;
  }

  /** Adds a whole file; the bytes are copied. For files of at most some MiB; see `addStream`. */
  add(bytes: Uint8Array): Content {
    const segments: store.Segment[] = [];
    for (let at = 0; at < bytes.length; at += this.#segmentBytes) {
      const piece = bytes.subarray(at, at + this.#segmentBytes);
      const segment = this.#beginSegment();
      this.#append(piece);
      segments.push(this.#endSegment(segment, piece.length, sha256(piece)));
    }
    return contentOf(segments);
  }

  /** Adds a whole file that comes in pieces of any size. Rejects with what the source throws: then nothing refers to it. */
  async addStream(source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Content> {
    const file = this.beginFile();
    for await (const piece of source) {
      file.write(piece);
      await this.ready();
    }
    return file.end();
  }

  /** Adds a file piece by piece. Nothing else may be added until it is ended. */
  beginFile(): FileWriter {
    const segments: store.Segment[] = [];
    let open: { readonly segment: store.Segment; readonly hash: Hash; length: number } | undefined;
    /** Of the whole file. The first segment's hash is the begin of it: a file of one segment is not hashed twice. */
    let whole: Hash | undefined;
    const endSegment = (): void => {
      if (open === undefined) return;
      if (segments.length === 0) whole = open.hash.copy();
      segments.push(this.#endSegment(open.segment, open.length, new Uint8Array(open.hash.digest())));
      open = undefined;
    };
    return {
      write: (piece) => {
        for (let at = 0; at < piece.length; ) {
          open ??= { segment: this.#beginSegment(), hash: createHash("sha256"), length: 0 };
          const part = piece.subarray(at, at + this.#segmentBytes - open.length);
          this.#append(part);
          open.hash.update(part);
          whole?.update(part);
          open.length += part.length;
          at += part.length;
          if (open.length === this.#segmentBytes) endSegment();
        }
      },
      end: () => {
        endSegment();
        return { ...contentOf(segments), sha256: new Uint8Array((whole ?? createHash("sha256")).digest()) };
      },
    };
  }

  /** Waits until another pack may be begun. Rejects when a pack could not be stored. */
  async ready(): Promise<void> {
    while (this.#puts.size > PUTS_MAX) await Promise.race(this.#puts);
    this.#throwIfFailed();
  }

  /** Seals the open pack and waits until all is durable. More may be added afterwards. */
  async close(): Promise<void> {
    this.#seal();
    while (this.#puts.size > 0) await Promise.race(this.#puts);
    this.#throwIfFailed();
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #beginSegment(): store.Segment {
    this.#open ??= { chunks: [], used: 0, size: 0, hash: createHash("sha256"), segments: [] };
    const segment = create(store.SegmentSchema, {
      pack: NO_BYTES,
      offset: BigInt(this.#open.size),
    });
    this.#open.segments.push(segment);
    return segment;
  }

  #endSegment(segment: store.Segment, length: number, hash: Uint8Array): store.Segment {
    segment.length = length;
    segment.sha256 = hash;
    this.#bytes += length;
    if ((this.#open?.size ?? 0) >= this.#packBytes) this.#seal();
    return segment;
  }

  #append(bytes: Uint8Array): void {
    const pack = this.#open as OpenPack;
    let held = pack.size;
    for (let at = 0; at < bytes.length; ) {
      let chunk = pack.chunks.at(-1);
      if (chunk === undefined || pack.used === chunk.length) {
        chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES_MAX, Math.max(CHUNK_BYTES_MIN, held)));
        pack.chunks.push(chunk);
        pack.used = 0;
      }
      const part = bytes.subarray(at, at + chunk.length - pack.used);
      chunk.set(part, pack.used);
      pack.used += part.length;
      held += part.length;
      at += part.length;
      // Hashing whole chunks: a call per small file would cost more than its bytes.
      if (pack.used === chunk.length) pack.hash.update(chunk);
    }
    pack.size += bytes.length;
  }

  #seal(): void {
    const pack = this.#open;
    if (pack === undefined) return;
    this.#open = undefined;
    trimLast(pack);
    const name = new Uint8Array(pack.hash.digest());
    for (const segment of pack.segments) segment.pack = name;
    this.#packs.push(name);
    const put = this.#store
      .put(packKey(name), pack.chunks)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#puts.delete(put));
    this.#puts.add(put);
  }
}

/** See PackWriter.beginFile. */
export interface FileWriter {
  write(piece: Uint8Array): void;
  end(): WrittenFile;
}

/** A file that was written piece by piece, with the hash of all its bytes. */
export interface WrittenFile extends Content {
  readonly sha256: Uint8Array;
}

/** Cuts the last chunk to what is used of it, and hashes it if that was not done. */
function trimLast(pack: OpenPack): void {
  const last = pack.chunks.pop();
  if (last === undefined) return;
  const used = last.subarray(0, pack.used);
  if (pack.used < last.length) pack.hash.update(used);
  pack.chunks.push(used);
}

function contentOf(segments: store.Segment[]): Content {
  const size = segments.reduce((sum, segment) => sum + segment.length, 0);
  return { size: BigInt(size), hash: contentHash(segments), segments };
}
