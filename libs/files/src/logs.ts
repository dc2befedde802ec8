/**
 * Logs of datums: one LogLines message each, as bytes of a pack like any file. A log may be of a million lines, each many times larger in
 * memory than in the message: so both sides have only a part of them at a time, and the message whole.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { corrupt, decode, packKey } from "./object.ts";
import type { PackWriter } from "./pack/pack-writer.ts";
import { readSegments } from "./pack/segment-reader.ts";

const LINES_AT_A_TIME = 1_000;
const LINES_FIELD = store.LogLinesSchema.field.lines.number;

/** Adds the lines to the pack; undefined when there are none. The reference holds once the pack is closed. */
export function writeLog(pack: PackWriter, lines: Iterable<store.LogLine>): store.LogRef | undefined {
  const pieces: Uint8Array[] = [];
  let some: store.LogLine[] = [];
  // Messages one behind the other are one message, with the lines of all.
  const encode = () => {
    const version = pieces.length === 0 ? 1 : 0;
    pieces.push(toBinary(store.LogLinesSchema, create(store.LogLinesSchema, { version, lines: some })));
    some = [];
  };
  for (const line of lines) if (some.push(line) === LINES_AT_A_TIME) encode();
  if (some.length > 0) encode();
  if (pieces.length === 0) return undefined;
  return create(store.LogRefSchema, { segments: pack.add(Buffer.concat(pieces)).segments });
}

/** The lines, in order, to be iterated once or more. Memory: the message (its writer bounds it, per datum) and one line. */
export async function readLog(source: Store, ref: store.LogRef | undefined): Promise<Iterable<store.LogLine>> {
  const segments = ref?.segments ?? [];
  const [first] = segments;
  if (first === undefined) return [];
  const pieces: Uint8Array[] = [];
  for await (const piece of readSegments(source, segments)) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  const key = packKey(first.pack);
  return { [Symbol.iterator]: () => linesOf(bytes, key) };
}

function* linesOf(bytes: Uint8Array, key: string): Generator<store.LogLine, void, void> {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const line = nextField(reader, key);
    if (line !== undefined) yield decode(store.LogLineSchema, line, key);
  }
}

/** The bytes of a line; undefined for any other field. */
function nextField(reader: BinaryReader, key: string): Uint8Array | undefined {
  try {
    const [field, type] = reader.tag();
    if (field === LINES_FIELD && type === WireType.LengthDelimited) return reader.bytes();
    reader.skip(type, field);
    return undefined;
  } catch (cause) {
    throw corrupt(key, "it is not a log", cause);
  }
}
