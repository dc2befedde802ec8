/**
 * Writes the bytes of many files into packs. A pack is one object of 64 MiB or a little more, named by its hash; a file is
 * a list of segments in packs.
 *
 * A pack's name is known only when it is full or closed. So the segments that are handed out have an empty `pack` until
 * then; it is filled in, in the same Segment objects, when their pack is sealed. After `close` all are filled in, and all
 * bytes are durable.
 *
 * Files are cut into segments every 16 MiB from their own begin, never where a pack ends, so that the same bytes always
 * give the same content hash. A whole segment of a file that comes in pieces is a pack of its own: then one hash is the name of
 * both, and a large file costs half.
 *
 * Memory: the open pack, at most 80 MiB; what is being stored, one pack or half of a full one; and one segment of each file that is being written, if
 * `ready` is awaited between pieces. What `addFile` reads is bounded by HashThreads.
 */
import { createHash, type Hash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { ahead } from "../ahead.ts";
import { NO_BYTES, sha256 } from "../bytes.ts";
import type { HashThreads, LentBytes } from "../hashing/hash-threads.ts";
import { packKey } from "../object.ts";
import { type Content, contentHash } from "./content.ts";

export const PACK_BYTES = 64 * 1024 * 1024;
export const SEGMENT_BYTES = 16 * 1024 * 1024;
/** Chunks of a pack's memory: the first is small, because many packs are. */
const CHUNK_BYTES_MIN = 64 * 1024;
const CHUNK_BYTES_MAX = 1024 * 1024;
/** Segments of a file that are read at a time, or wait for their turn. */
const READS_MAX = 4;

export interface PackLimits {
  /** A pack is sealed when it has this many bytes. Default 64 MiB. */
  readonly packBytes?: number;
  /** Longest segment. Default 16 MiB, which is also the most that readers take. */
  readonly segmentBytes?: number;
}

/** What becomes an object. */
interface Whole {
  readonly chunks: readonly Uint8Array[];
  readonly size: number;
  readonly segments: readonly store.Segment[];
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
  #putBytes = 0;
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
    const file = new GrowingFile(this.#segmentBytes, (segment) => this.#endGrown(segment));
    for await (const piece of source) {
      file.write(piece);
      await this.ready();
    }
    return file.end();
  }

  /**
   * Adds the first `size` bytes of an open file, or what there is of them; several segments are read and hashed at a time. When it
   * returns, or rejects, the file is not read any more. Rejects when it cannot be read, or a pack could not be stored.
   */
  async addFile(fd: number, size: number, threads: HashThreads): Promise<Content> {
    const segments: store.Segment[] = [];
    for await (const lent of ahead(this.#reads(fd, size, threads), READS_MAX, (left) => left.giveBack())) {
      const segment = this.#addLent(lent);
      if (segment !== undefined) segments.push(segment);
      this.#throwIfFailed();
    }
    return contentOf(segments);
  }

  /** Adds a file piece by piece. */
  beginFile(): FileWriter {
    const file = new GrowingFile(this.#segmentBytes, (segment) => this.#endGrown(segment));
    const whole = createHash("sha256");
    return {
      write: (piece) => {
        file.write(piece);
        whole.update(piece);
      },
      end: () => ({ ...file.end(), sha256: new Uint8Array(whole.digest()) }),
    };
  }

  /** Waits until another pack may be begun. Rejects when a pack could not be stored. */
  async ready(): Promise<void> {
    while (this.#puts.size > 1 && this.#putBytes > this.#packBytes / 2) await Promise.race(this.#puts);
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
    this.#open ??= newPack();
    return beginSegment(this.#open);
  }

  #endSegment(segment: store.Segment, length: number, hash: Uint8Array): store.Segment {
    segment.length = length;
    segment.sha256 = hash;
    this.#bytes += length;
    if ((this.#open?.size ?? 0) >= this.#packBytes) this.#seal();
    return segment;
  }

  #append(bytes: Uint8Array): void {
    append(this.#open as OpenPack, bytes);
  }

  *#reads(fd: number, size: number, threads: HashThreads): Generator<() => Promise<LentBytes>, void, void> {
    for (let at = 0; at < size; at += this.#segmentBytes)
      yield () => threads.read(fd, at, Math.min(this.#segmentBytes, size - at));
  }

  /** A segment of a file that is read elsewhere; none where it has ended. Stored as that of one that comes in pieces. */
  #addLent({ bytes, sha256: hash, giveBack }: LentBytes): store.Segment | undefined {
    if (bytes.length < this.#segmentBytes) {
      const segment = bytes.length === 0 ? undefined : this.#beginSegment();
      if (segment !== undefined) this.#append(bytes);
      giveBack();
      return segment && this.#endSegment(segment, bytes.length, hash);
    }
    const segment = create(store.SegmentSchema, { pack: NO_BYTES, length: bytes.length, sha256: hash });
    this.#bytes += bytes.length;
    void this.#put({ chunks: [bytes], size: bytes.length, segments: [segment] }, hash).then(giveBack);
    return segment;
  }

  /** A segment of a file that came in pieces: a pack of its own when it is whole, else a part of the open one. */
  #endGrown(own: OpenPack): store.Segment {
    const { chunks, size, segments } = own;
    trimLast(own);
    const hash = new Uint8Array(own.hash.digest());
    if (size < this.#segmentBytes) {
      const segment = this.#beginSegment();
      for (const chunk of chunks) this.#append(chunk);
      return this.#endSegment(segment, size, hash);
    }
    const segment = segments[0] as store.Segment;
    segment.length = size;
    segment.sha256 = hash;
    this.#bytes += size;
    void this.#put(own, hash);
    return segment;
  }

  #seal(): void {
    const pack = this.#open;
    if (pack === undefined) return;
    this.#open = undefined;
    trimLast(pack);
    void this.#put(pack, new Uint8Array(pack.hash.digest()));
  }

  #put({ chunks, size, segments }: Whole, name: Uint8Array): Promise<void> {
    for (const segment of segments) segment.pack = name;
    this.#packs.push(name);
    this.#putBytes += size;
    const put = this.#store
      .put(packKey(name), chunks)
      .then(
        () => {},
        (error: unknown) => {
          this.#failure ??= { error };
        },
      )
      .finally(() => {
        this.#puts.delete(put);
        this.#putBytes -= size;
      });
    this.#puts.add(put);
    return put;
  }
}

/** A file that comes in pieces. Each of its segments is gathered as a pack of its own. */
class GrowingFile {
  readonly #segmentBytes: number;
  readonly #endSegment: (own: OpenPack) => store.Segment;
  readonly #segments: store.Segment[] = [];
  #open: OpenPack | undefined;

  constructor(segmentBytes: number, endSegment: (own: OpenPack) => store.Segment) {
    this.#segmentBytes = segmentBytes;
    this.#endSegment = endSegment;
  }

  write(piece: Uint8Array): void {
    for (let at = 0; at < piece.length; ) {
      this.#open ??= newSegment();
      const part = piece.subarray(at, at + this.#segmentBytes - this.#open.size);
      append(this.#open, part);
      at += part.length;
      if (this.#open.size === this.#segmentBytes) this.#end();
    }
  }

  end(): Content {
    this.#end();
    return contentOf(this.#segments);
  }

  #end(): void {
    if (this.#open !== undefined) this.#segments.push(this.#endSegment(this.#open));
    this.#open = undefined;
  }
}

function newPack(): OpenPack {
  return { chunks: [], used: 0, size: 0, hash: createHash("sha256"), segments: [] };
}

/** A pack of one segment. */
function newSegment(): OpenPack {
  const pack = newPack();
  beginSegment(pack);
  return pack;
}

function beginSegment(pack: OpenPack): store.Segment {
  const segment = create(store.SegmentSchema, { pack: NO_BYTES, offset: BigInt(pack.size) });
  pack.segments.push(segment);
  return segment;
}

function append(pack: OpenPack, bytes: Uint8Array): void {
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
