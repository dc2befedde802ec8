/**
 * Writes sorted tables: sections of packed blocks, then a footer that names every block with its hash. The object is put
 * under the hash of all its bytes.
 *
 * Memory: the packed blocks are kept until the table is put, so a table is as large as memory allows, and no larger than
 * TABLE_BYTES_MAX. The unpacked bytes are never more than one block.
 */
import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import { internal, resourceExhausted } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import { compareBytes, hex, NO_BYTES, sha256, sha256Of } from "../bytes.ts";
import type { ObjectKind } from "../object.ts";
import { recordHeader } from "../wire.ts";
import { BLOCK_BYTES_MAX, blockRef, packBlock } from "./block.ts";
import type { RecordKind } from "./records.ts";

/** Unpacked bytes at which a block is ended, unless the writer of a section wants it otherwise. */
export const BLOCK_BYTES = 64 * 1024;
const TABLE_BYTES_MAX = 1024 * 1024 * 1024;

export class TableWriter {
  readonly #chunks: Uint8Array[] = [];
  #size = 0;

  /** Packed bytes so far. */
  get size(): number {
    return this.#size;
  }

  /**
   * Begins a section. The one before it must be finished. Its blocks have `blockBytes` unpacked or a little more; the first
   * one may be wanted shorter.
   */
  section(blockBytes: number = BLOCK_BYTES, firstBlockBytes: number = blockBytes): SectionWriter {
    return new SectionWriter(this, blockBytes, firstBlockBytes);
  }

  /** For SectionWriter: takes a packed block and says where in the object it begins. */
  append(bytes: Uint8Array): number {
    const offset = this.#size;
    this.#chunks.push(bytes);
    this.#size += bytes.length;
    if (this.#size > TABLE_BYTES_MAX)
      throw resourceExhausted("TABLE_TOO_LARGE", "an index table would be larger than 1 GiB");
    return offset;
  }

  /** Ends the object with its footer and stores it; durable when it returns. */
  async put<Desc extends DescMessage>(
    target: Store,
    kind: ObjectKind,
    schema: Desc,
    footer: MessageShape<Desc>,
  ): Promise<store.TableRef> {
    const end = toBinary(schema, footer);
    this.append(end);
    const key = `${kind}/${hex(sha256Of(this.#chunks))}`;
    await target.put(key, this.#chunks);
    return create(store.TableRefSchema, {
      object: { key, size: BigInt(this.#size) },
      footerSize: end.length,
      footerSha256: sha256(end),
    });
  }
}

export class SectionWriter {
  readonly #table: TableWriter;
  readonly #blockBytes: number;
  readonly #firstBlockBytes: number;
  readonly #blocks: store.BlockRef[] = [];
  #pieces: Uint8Array[] = [];
  #raw = 0;
  #records = 0;
  #firstKey: Uint8Array = NO_BYTES;
  #lastKey: Uint8Array = NO_BYTES;
  #count = 0;
  #rawTotal = 0;

  constructor(table: TableWriter, blockBytes: number, firstBlockBytes: number) {
    this.#table = table;
    this.#firstBlockBytes = firstBlockBytes;
    this.#blockBytes = blockBytes;
  }

  /** Adds a record; keys must not go back. */
  add<R>(kind: RecordKind<R>, record: R): void {
    this.addPacked(kind.keyOf(record), kind.encode(record));
  }

  /** Adds a record that is a message already. Keeps both arrays until the block is full. */
  addPacked(key: Uint8Array, message: Uint8Array): void {
    this.#begin(key);
    this.#push(recordHeader(message.length), 0);
    this.#push(message, 1);
    this.#endIfFull();
  }

  /** Adds a whole block of lines: for sections of LineBlocks, whose writer cuts the blocks itself. */
  addLines(firstKey: Uint8Array, lastKey: Uint8Array, lines: Uint8Array, count: number): void {
    this.#begin(firstKey);
    this.#push(recordHeader(lines.length), 0);
    this.#push(lines, count);
    this.#lastKey = lastKey;
    this.#end();
  }

  finish(): store.Section {
    if (this.#records > 0) this.#end();
    return create(store.SectionSchema, {
      blocks: this.#blocks,
      count: BigInt(this.#count),
      rawBytes: BigInt(this.#rawTotal),
      lastKey: this.#lastKey,
    });
  }

  #begin(key: Uint8Array): void {
    if (this.#count > 0 && compareBytes(key, this.#lastKey) < 0) {
      throw internal("TABLE_NOT_SORTED", `the key ${hex(key)} comes after ${hex(this.#lastKey)}`);
    }
    if (this.#records === 0) this.#firstKey = key;
    this.#lastKey = key;
  }

  #push(bytes: Uint8Array, records: number): void {
    this.#pieces.push(bytes);
    this.#raw += bytes.length;
    this.#records += records;
    this.#count += records;
  }

  #endIfFull(): void {
    if (this.#raw > BLOCK_BYTES_MAX) {
      const key = Buffer.from(this.#lastKey).toString().slice(0, 200);
      throw resourceExhausted(
        "RECORD_TOO_LARGE",
        `the index entry of ${key} would be larger than 64 MiB: it has too many parts`,
      );
    }
    if (this.#raw >= (this.#blocks.length === 0 ? this.#firstBlockBytes : this.#blockBytes)) this.#end();
  }

  #end(): void {
    const raw = Buffer.concat(this.#pieces, this.#raw);
    const packed = packBlock(raw);
    const offset = this.#table.append(packed.bytes);
    this.#blocks.push(
      blockRef(packed, {
        firstKey: this.#firstKey,
        offset,
        rawLength: raw.length,
        count: this.#records,
      }),
    );
    this.#rawTotal += raw.length;
    this.#pieces = [];
    this.#raw = 0;
    this.#records = 0;
  }
}
