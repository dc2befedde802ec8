/**
 * Reads the bytes of files. Segments that lie side by side in a pack come in one read; each is checked against its hash
 * before a byte of it is handed out (of a copy, before its end is told). While a piece is being used, what follows is read and checked on
 * other threads.
 *
 * Memory: twice READ_BYTES, or two segments (of at most 16 MiB) when they are longer; plus what the cache holds. What is lent is
 * bounded by HashThreads.
 */
import { closeSync, openSync } from "node:fs";
import type { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { ahead } from "../ahead.ts";
import { sameBytes } from "../bytes.ts";
import type { HashThreads, LentBytes } from "../hashing/hash-threads.ts";
import { checkHash, corrupt, packKey, verify, verifyElsewhere } from "../object.ts";
import { writeAll } from "../write-all.ts";
import { RangeCache } from "./range-cache.ts";

const READ_BYTES = 4 * 1024 * 1024;
/** Longer pieces are hashed on another thread. */
const ASYNC_BYTES = 1024 * 1024;
const CACHE_BYTES = 32 * 1024 * 1024;
const SEGMENT_BYTES_MAX = 16 * 1024 * 1024;
/** One that is used and one that is read meanwhile. */
const AHEAD = 2;
/** One that is used and one for each thread. */
const LENT_AHEAD = 4;

export interface SegmentReader {
  /**
   * The bytes of the segments in order, one piece per segment. Throws DATA_LOSS OBJECT_MISSING or OBJECT_CORRUPT, naming
   * pack and offset.
   */
  read(segments: readonly store.Segment[]): AsyncIterable<Uint8Array>;
  /** The same for who does not keep a piece: its memory is used again as soon as the next is asked for. For large files. */
  lend(segments: readonly store.Segment[]): AsyncIterable<Uint8Array>;
  /**
   * Writes the bytes of the segments in order to an empty file; how many. Throws as `read`, and what the file system says: then what the
   * file holds is not to be used.
   */
  copy(segments: readonly store.Segment[], fd: number): Promise<number>;
}

export interface ReaderOptions {
  /** Default 32 MiB. */
  readonly cacheBytes?: number;
  /** Read or copy large files, where the store is a folder of this machine. */
  readonly threads?: HashThreads;
}

/**
 * A reader for many small files: for a store that is not near it reads ahead and keeps up to `cacheBytes` of packs, so that files
 * written side by side are fetched together.
 */
export function segmentReader(source: Store, { cacheBytes = CACHE_BYTES, threads }: ReaderOptions = {}): SegmentReader {
  const cache = source.near ? undefined : new RangeCache(source, cacheBytes);
  const get = (key: string, offset: number, length: number): Promise<Uint8Array> =>
    cache?.get(key, offset, length) ?? source.get(key, { offset, length });
  const read = (segments: readonly store.Segment[]) => readAll(AHEAD, segments, (group) => readGroup(get, group));
  const writeGroup = async (group: readonly store.Segment[], fd: number, at: number) => {
    const { pieces } = await readGroup(get, group);
    let end = at;
    for (const piece of pieces) {
      writeAll(fd, piece, end);
      end += piece.length;
    }
  };
  if (threads === undefined)
    return { read, lend: read, copy: (segments, fd) => copyAll(AHEAD, segments, fd, writeGroup) };
  const lendGroup = async (group: readonly store.Segment[]) =>
    (await lendSegment(source, threads, group)) ?? readGroup(get, group);
  const copyGroup = async (group: readonly store.Segment[], fd: number, at: number) =>
    (await copySegment(source, threads, group, fd, at)) || writeGroup(group, fd, at);
  return {
    read,
    lend: (segments) => readAll(LENT_AHEAD, segments, lendGroup),
    copy: (segments, fd) => copyAll(LENT_AHEAD, segments, fd, copyGroup),
  };
}

/** One file's bytes, without a cache: see SegmentReader. */
export function readSegments(source: Store, segments: readonly store.Segment[]): AsyncIterable<Uint8Array> {
  const get = (key: string, offset: number, length: number) => source.get(key, { offset, length });
  return readAll(AHEAD, segments, (group) => readGroup(get, group));
}

type Get = (key: string, offset: number, length: number) => Promise<Uint8Array>;

interface Group {
  /** One per segment. */
  readonly pieces: readonly Uint8Array[];
  readonly lent?: LentBytes;
}

async function* readAll(
  count: number,
  segments: readonly store.Segment[],
  read: (group: readonly store.Segment[]) => Promise<Group>,
): AsyncGenerator<Uint8Array, void, void> {
  const tasks = adjacent(segments).map((group) => () => read(group));
  for await (const { pieces, lent } of ahead(tasks, count, ({ lent }) => lent?.giveBack())) {
    try {
      yield* pieces;
    } finally {
      lent?.giveBack();
    }
  }
}

/** Each group goes to its own place in the file, so the order does not matter. A small file is one group, and there are very many. */
async function copyAll(
  count: number,
  segments: readonly store.Segment[],
  fd: number,
  copy: (group: readonly store.Segment[], fd: number, at: number) => Promise<unknown>,
): Promise<number> {
  const groups = [...adjacent(segments)];
  if (groups.length === 1) {
    await copy(segments, fd, 0);
    return lengthOf(segments);
  }
  let end = 0;
  const tasks = groups.map((group) => {
    const at = end;
    end += lengthOf(group);
    return () => copy(group, fd, at);
  });
  for await (const _ of ahead(tasks, count, () => {}));
  return end;
}

async function readGroup(get: Get, group: readonly store.Segment[]): Promise<Group> {
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
  return { pieces };
}

/** Undefined: it is small, or cannot be had in this way. */
async function lendSegment(
  source: Store,
  threads: HashThreads,
  group: readonly store.Segment[],
): Promise<Group | undefined> {
  const range = largeRange(source, group);
  if (range === undefined) return undefined;
  const lent = await onFile(range, (fd) => threads.read(fd, range.offset, range.length));
  if (lent === undefined) return undefined;
  try {
    checkHash(lent.sha256, range.sha256, lent.bytes, range.key, range.offset);
    return { pieces: [lent.bytes], lent };
  } catch (error) {
    lent.giveBack();
    throw error;
  }
}

/** False: the same. */
async function copySegment(
  source: Store,
  threads: HashThreads,
  group: readonly store.Segment[],
  to: number,
  at: number,
): Promise<boolean> {
  const range = largeRange(source, group);
  if (range === undefined) return false;
  const copied = await onFile(range, (fd) => threads.copy({ ...range, fd }, to, at));
  if (copied === undefined) return false;
  checkHash(copied.sha256, range.sha256, copied, range.key, range.offset);
  return true;
}

/** Where the bytes of a group lie that is worth a thread, if they are in a file of this machine. */
function largeRange(source: Store, group: readonly store.Segment[]) {
  const { pack, offset, length, sha256 } = group[0] as store.Segment;
  const key = packKey(pack);
  const path = length > READ_BYTES ? source.localPath(key) : null;
  return path === null ? undefined : { key, path, offset: Number(offset), length, sha256 };
}

/** Undefined: it fails. The store knows how to tell of what. */
async function onFile<T>(
  { path }: { readonly path: string },
  work: (fd: number) => Promise<T>,
): Promise<T | undefined> {
  let fd: number | undefined;
  try {
    fd = openSync(path, "r");
    return await work(fd);
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
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
