/**
 * Reads tables: the footer first (one ranged read, checked against the reference), then only the blocks that a range of
 * keys needs, neighbours in one read, each checked against the footer before it is unpacked.
 *
 * Memory: the footer, and up to READ_BYTES of packed blocks plus one unpacked block per reader. A table of at most
 * WHOLE_BYTES is read at once and kept.
 */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { compareBytes } from "../bytes.ts";
import { corrupt, decode, objectOf, verify } from "../object.ts";
import { unpackBlock } from "./block.ts";
import type { RecordKind } from "./records.ts";

const WHOLE_BYTES = 1024 * 1024;
const READ_BYTES = 1024 * 1024;
/** A footer is about 1/500 of its table. */
const FOOTER_BYTES_MAX = 64 * 1024 * 1024;

export interface Table<Footer> {
  readonly store: Store;
  readonly key: string;
  readonly footer: Footer;
  /** The object, when it is small enough to be kept. */
  readonly bytes: Uint8Array | undefined;
}

/** Keys from `from` (included) up to `to` (not included); absent: from the begin, to the end. */
export interface KeyRange {
  readonly from?: Uint8Array | undefined;
  readonly to?: Uint8Array | undefined;
}

/**
 * Opens a table; one of at most `wholeBytes` is read and kept whole. Throws DATA_LOSS (OBJECT_MISSING, OBJECT_CORRUPT) when the table is not the one
 * that the reference names.
 */
export async function openTable<Desc extends DescMessage>(
  source: Store,
  ref: store.TableRef,
  schema: Desc,
  wholeBytes: number = WHOLE_BYTES,
): Promise<Table<MessageShape<Desc>>> {
  const { key, size } = objectOf(ref);
  const bytes = Number(size);
  if (ref.footerSize > bytes || ref.footerSize > FOOTER_BYTES_MAX)
    throw corrupt(key, "its footer is longer than it can be");
  const start = bytes <= wholeBytes ? 0 : bytes - ref.footerSize;
  const read = await source.get(key, { offset: start, length: bytes - start });
  const footer = read.subarray(bytes - ref.footerSize - start);
  verify(footer, ref.footerSha256, key, bytes - ref.footerSize);
  return {
    store: source,
    key,
    footer: decode(schema, footer, key),
    bytes: start === 0 ? read : undefined,
  };
}

/** An unpacked block with the entry of the footer that names it. */
export interface ReadBlock {
  readonly ref: store.BlockRef;
  readonly raw: Uint8Array;
}

/** The blocks that hold keys of the range, and perhaps some others at both ends. */
export async function* readBlocks(
  table: Table<unknown>,
  section: store.Section | undefined,
  range: KeyRange = {},
  readBytes: number = READ_BYTES,
): AsyncGenerator<ReadBlock, void, void> {
  for (const group of neighbours(blocksIn(section, range), readBytes)) {
    const start = Number(group[0]?.offset ?? 0);
    const packed = await readGroup(table, group, start);
    for (const ref of group) {
      const at = Number(ref.offset) - start;
      yield { ref, raw: unpackBlock(packed.subarray(at, at + ref.length), ref, table.key) };
    }
  }
}

/** The records of the range, a block's at a time. */
export async function* readRecordBlocks<R>(
  table: Table<unknown>,
  section: store.Section | undefined,
  kind: RecordKind<R>,
  range: KeyRange = {},
): AsyncGenerator<R[], void, void> {
  for await (const block of readBlocks(table, section, range)) {
    const records = recordsOf(table, kind, block);
    const isAll = range.from === undefined && range.to === undefined;
    const inRange = isAll ? records : records.filter((record) => isIn(kind.keyOf(record), range));
    if (inRange.length > 0) yield inRange;
  }
}

/** The records of the range, in order. */
export async function* readSection<R>(
  table: Table<unknown>,
  section: store.Section | undefined,
  kind: RecordKind<R>,
  range: KeyRange = {},
): AsyncGenerator<R, void, void> {
  for await (const records of readRecordBlocks(table, section, kind, range)) yield* records;
}

/** Blocks that may hold keys of the range, in order. */
export function blocksIn(section: store.Section | undefined, range: KeyRange): readonly store.BlockRef[] {
  const blocks = section?.blocks ?? [];
  const { from, to } = range;
  if (from !== undefined && section !== undefined && compareBytes(from, section.lastKey) > 0) return [];
  // Keys equal to `from` may begin in the block before the first one that begins with it.
  const first = from === undefined ? 0 : Math.max(0, firstAt(blocks, from) - 1);
  const end = to === undefined ? blocks.length : firstAt(blocks, to);
  return blocks.slice(first, Math.max(first, end));
}

/** Index of the first block that begins at or after the key. */
function firstAt(blocks: readonly store.BlockRef[], key: Uint8Array): number {
  let low = 0;
  let high = blocks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareBytes((blocks[middle] as store.BlockRef).firstKey, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isIn(key: Uint8Array, { from, to }: KeyRange): boolean {
  return (from === undefined || compareBytes(key, from) >= 0) && (to === undefined || compareBytes(key, to) < 0);
}

/** Cuts the row of blocks where they do not touch in the object, or where a read would be too long. */
function* neighbours(blocks: readonly store.BlockRef[], readBytes: number): Generator<store.BlockRef[], void, void> {
  let group: store.BlockRef[] = [];
  let start = 0n;
  let end = -1n;
  for (const block of blocks) {
    const next = block.offset + BigInt(block.length);
    if (group.length > 0 && (block.offset !== end || next - start > BigInt(readBytes))) {
      yield group;
      group = [];
    }
    if (group.length === 0) start = block.offset;
    group.push(block);
    end = next;
  }
  if (group.length > 0) yield group;
}

async function readGroup(table: Table<unknown>, group: readonly store.BlockRef[], start: number): Promise<Uint8Array> {
  const last = group.at(-1) as store.BlockRef;
  const end = Number(last.offset) + last.length;
  if (table.bytes !== undefined) return table.bytes.subarray(start, end);
  return table.store.get(table.key, { offset: start, length: end - start });
}

/** The records of one block: for lookups. */
export async function readBlock<R>(table: Table<unknown>, ref: store.BlockRef, kind: RecordKind<R>): Promise<R[]> {
  const packed = await readGroup(table, [ref], Number(ref.offset));
  return recordsOf(table, kind, { ref, raw: unpackBlock(packed, ref, table.key) });
}

function recordsOf<R>(table: Table<unknown>, kind: RecordKind<R>, { raw, ref }: ReadBlock): R[] {
  const records = decodeBlock(table, kind, raw);
  if (records.length !== ref.count) {
    throw corrupt(table.key, `the block at ${ref.offset} has ${records.length} records, not ${ref.count}`);
  }
  return records;
}

function decodeBlock<R>(table: Table<unknown>, kind: RecordKind<R>, raw: Uint8Array): R[] {
  try {
    return kind.decode(raw);
  } catch (cause) {
    throw corrupt(table.key, "a block does not hold the records that it should", cause);
  }
}
