/**
 * Reads the bytes of files. Segments that lie side by side in a pack come in one read; each is checked against its hash
 * before a byte of it is handed out.
 *
 * While a large piece is being used, the next is read and checked on other threads.
 *
 * Memory: twice READ_BYTES, or two segments (of at most 16 MiB) when they are longer; plus what the cache holds.
 */
import type { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { sameBytes } from "../bytes.ts";
import { corrupt, packKey, verify, verifyElsewhere } from "../object.ts";
import { RangeCache } from "./range-cache.ts";

const READ_BYTES = 4 * 1024 * 1024;
/** Longer pieces are hashed on another thread. */
const ASYNC_BYTES = 1024 * 1024;
const CACHE_BYTES = 32 * 1024 * 1024;
const SEGMENT_BYTES_MAX = 16 * 1024 * 1024;

export interface SegmentReader {
  /**
   * The bytes of the segments in order, one piece per segment. Throws DATA_LOSS OBJECT_MISSING or OBJECT_CORRUPT, naming
   * pack and offset.
   */
  read(segments: readonly store.Segment[]): AsyncIterable<Uint8Array>;
}

/**
 * A reader for many small files: for a store that is not near it reads ahead and keeps up to `cacheBytes` (default
 * 32 MiB) of packs, so that files written side by side are fetched together.
 */
export function segmentReader(source: Store, cacheBytes: number = CACHE_BYTES): SegmentReader {
  const cache = source.near ? undefined : new RangeCache(source, cacheBytes);
  const get = (key: string, offset: number, length: number): Promise<Uint8Array> =>
    cache?.get(key, offset, length) ?? source.get(key, { offset, length });
  return { read: (segments) => readAll(get, segments) };
}

/** One file's bytes, without a cache: see SegmentReader. */
export function readSegments(source: Store, segments: readonly store.Segment[]): AsyncIterable<Uint8Array> {
  return readAll((key, offset, length) => source.get(key, { offset, length }), segments);
}

type Get = (key: string, offset: number, length: number) => Promise<Uint8Array>;

async function* readAll(get: Get, segments: readonly store.Segment[]): AsyncGenerator<Uint8Array, void, void> {
  let ahead: Promise<Uint8Array[]> | undefined;
  for (const group of adjacent(segments)) {
    const before = ahead;
    ahead = readGroup(get, group);
    if (before !== undefined) {
      ahead.catch(() => {}); // Told in its turn.
      yield* await before;
    }
    if (lengthOf(group) >= ASYNC_BYTES) continue;
    // A small one is there at once.
    const pieces = ahead;
    ahead = undefined;
    yield* await pieces;
  }
  if (ahead !== undefined) yield* await ahead;
}

async function readGroup(get: Get, group: readonly store.Segment[]): Promise<Uint8Array[]> {
  const first = group[0] as store.Segment;
  const key = packKey(first.pack);
  const start = Number(first.offset);
  const bytes = await get(key, start, lengthOf(group));
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const segment of group) {
    const piece = bytes.subarray(at, at + segment.length);
    if (piece.length >= ASYNC_BYTES) await verifyElsewhere(piece, segment.sha256, key, start + at);
    else verify(piece, segment.sha256, key, start + at);
    pieces.push(piece);
    at += segment.length;
  }
  return pieces;
}

function lengthOf(group: readonly store.Segment[]): number {
  return group.reduce((sum, segment) => sum + segment.length, 0);
}

/** Cuts the row of segments where one does not begin where the one before it ends. */
function* adjacent(segments: readonly store.Segment[]): Generator<store.Segment[], void, void> {
  let group: store.Segment[] = [];
  let bytes = 0;
  for (const segment of segments) {
    if (segment.length > SEGMENT_BYTES_MAX)
      throw corrupt(packKey(segment.pack), `a segment of ${segment.length} bytes is too long`);
    const last = group.at(-1);
    if (last !== undefined && (bytes + segment.length > READ_BYTES || !follows(last, segment))) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(segment);
    bytes += segment.length;
  }
  if (group.length > 0) yield group;
}

function follows(last: store.Segment, next: store.Segment): boolean {
  return next.offset === last.offset + BigInt(last.length) && sameBytes(last.pack, next.pack);
}
