/** How the records of each kind of section are packed into blocks, and by which key they are sorted. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import { utf8 } from "../bytes.ts";

export interface RecordKind<R> {
  /** The record's message. A block holds them in its field 1. */
  encode(record: R): Uint8Array;
  /** The records of an unpacked block. Throws when the bytes are not such a block. */
  decode(block: Uint8Array): R[];
  keyOf(record: R): Uint8Array;
}

/** FileBlocks, by path. */
export const fileRecords: RecordKind<store.FileEntry> = {
  encode: (entry) => toBinary(store.FileEntrySchema, entry),
  decode: (block) => fromBinary(store.FileBlockSchema, block).entries,
  keyOf: (entry) => utf8(entry.path),
};

/** DatumBlocks, by index. */
export const datumRecords: RecordKind<store.DatumRow> = {
  encode: (row) => toBinary(store.DatumRowSchema, row),
  decode: (block) => fromBinary(store.DatumBlockSchema, block).rows,
  keyOf: (row) => indexKey(row.index),
};

/** The key of a datum's row: 8 bytes, big endian. */
export function indexKey(index: bigint): Uint8Array {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setBigUint64(0, index);
  return key;
}
