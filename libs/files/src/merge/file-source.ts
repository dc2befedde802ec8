/**
 * The file entries of one run in a range, for the k-way merge. A block stays packed as a message; an entry is unpacked when
 * its turn comes, and its bytes are kept beside it, so that an entry that goes through unchanged is not packed again.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import { buffer, compareBytes, utf8 } from "../bytes.ts";
import { corrupt } from "../object.ts";
import { type KeyRange, readBlocks } from "../table/table-reader.ts";
import { type Span, spansOf } from "../wire.ts";
import type { SectionPart } from "./inputs.ts";
import type { Batch } from "./kway.ts";

export interface FileRecord {
  readonly entry: store.FileEntry;
  /** The entry's message. */
  readonly message: Uint8Array;
}

export async function* fileSource(
  part: SectionPart,
  range: KeyRange,
  readBytes: number,
): AsyncGenerator<Batch<FileRecord>, void, void> {
  const { table, section } = part;
  for await (const { raw, ref } of readBlocks(table, section, range, readBytes)) {
    const batch = new BlockBatch(raw, spansIn(raw, table.key), table.key);
    const whole = isInside(ref.firstKey, section, ref, range);
    yield whole ? batch : trimmed(batch, range);
  }
}

/** Whether all keys of the block are in the range: then its entries need no look. */
function isInside(firstKey: Uint8Array, section: store.Section, ref: store.BlockRef, { from, to }: KeyRange): boolean {
  if (from !== undefined && compareBytes(firstKey, from) < 0) return false;
  if (to === undefined) return true;
  const next = section.blocks[section.blocks.indexOf(ref) + 1];
  return next !== undefined && compareBytes(next.firstKey, to) < 0;
}

function trimmed(batch: BlockBatch, { from, to }: KeyRange): FileRecord[] {
  const records: FileRecord[] = [];
  for (let i = 0; i < batch.length; i++) {
    const record = batch.at(i);
    const key = utf8(record.entry.path);
    if (from !== undefined && compareBytes(key, from) < 0) continue;
    if (to !== undefined && compareBytes(key, to) >= 0) break;
    records.push(record);
  }
  return records;
}

class BlockBatch implements Batch<FileRecord> {
  readonly #raw: Uint8Array;
  readonly #spans: readonly Span[];
  readonly #key: string;

  constructor(raw: Uint8Array, spans: readonly Span[], key: string) {
    this.#raw = raw;
    this.#spans = spans;
    this.#key = key;
  }

  get length(): number {
    return this.#spans.length;
  }

  at(index: number): FileRecord {
    const { from, to } = this.#spans[index] as Span;
    const message = this.#raw.subarray(from, to);
    try {
      return { entry: fromBinary(store.FileEntrySchema, message), message };
    } catch (cause) {
      throw corrupt(this.#key, "a block does not hold file entries", cause);
    }
  }
}

function spansIn(raw: Uint8Array, key: string): readonly Span[] {
  try {
    return spansOf(raw, 1);
  } catch (cause) {
    throw corrupt(key, "a block does not hold file entries", cause);
  }
}

const DATUM_TAG = 0x30;

/**
 * The entry's message without its datum, as a commit holds it; undefined when the bytes are not laid out as our writer does
 * it (the datum last): then pack the entry anew.
 */
export function withoutDatum({ entry, message }: FileRecord): Uint8Array | undefined {
  if (entry.datum === 0n) return message;
  let at = message.length;
  let rest = entry.datum;
  const digits: number[] = [];
  for (; rest > 0x7fn; rest >>= 7n) digits.push(Number(rest & 0x7fn) | 0x80);
  digits.push(Number(rest));
  at -= digits.length;
  if (message[at - 1] !== DATUM_TAG || !digits.every((digit, i) => message[at + i] === digit)) return undefined;
  return buffer(message).subarray(0, at - 1);
}
