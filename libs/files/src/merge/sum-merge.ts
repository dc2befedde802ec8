/**
 * Adds up the combined tables of one path in a range of keys.
 *
 * The tables are sorted, but they are not merged line by line: their keys are mostly the same ones, and looking a key up in
 * a hash table costs less than carrying it up a tree of hundreds of cursors. So the lines of a range are poured into one
 * SumTable, table after table, and sorted once. A long range is first cut into pieces, by the same samples as a job, so
 * that memory stays bounded: PIECE_BYTES of lines, the table over them, and one block. There is one cursor at a time,
 * however many runs there are.
 */
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import { compareBytes } from "../bytes.ts";
import { corrupt } from "../object.ts";
import { endOfLine, TAB } from "../sum/lines.ts";
import { type LineChunk, SumTable } from "../sum/sum-table.ts";
import { blocksIn, type KeyRange, readBlocks } from "../table/table-reader.ts";
import { spansOf } from "../wire.ts";
import { chooseCuts } from "./cuts.ts";
import type { SectionPart } from "./inputs.ts";
import { sectionSamples } from "./samples.ts";

const PIECE_BYTES = 32 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;
/** Most samples of one table. */
const SAMPLES = 1_000;

/** The sums as lines, sorted by the bytes of their keys, in chunks of about 1 MiB. */
export async function* mergeSums(
  parts: readonly SectionPart[],
  range: KeyRange,
  signal?: AbortSignal,
  pieceBytes: number = PIECE_BYTES,
): AsyncGenerator<LineChunk, void, void> {
  for (const piece of pieces(parts, range, pieceBytes)) {
    const table = new SumTable();
    for (const part of parts) {
      signal?.throwIfAborted();
      await pour(part, piece, table);
    }
    yield* table.chunks(CHUNK_BYTES);
  }
}

/** Cuts the range where the blocks of all tables together weigh about `pieceBytes`. */
function pieces(parts: readonly SectionPart[], range: KeyRange, pieceBytes: number): KeyRange[] {
  const inRange = parts.map(({ section }) =>
    create(store.SectionSchema, { ...section, blocks: [...blocksIn(section, range)] }),
  );
  const samples = inRange.flatMap((section) => sectionSamples(section, SAMPLES, (key) => ({ path: "", key })));
  const bytes = samples.reduce((sum, { weight }) => sum + weight, 0);
  const cuts = chooseCuts(samples, Math.ceil(bytes / pieceBytes))
    .map((point) => point.key)
    // Blocks at both ends reach over the range.
    .filter((key) => isAfter(key, range.from) && (range.to === undefined || compareBytes(key, range.to) < 0));
  const bounds = [range.from, ...cuts, range.to];
  return bounds.slice(1).map((to, i) => ({ from: bounds[i], to }));
}

function isAfter(key: Uint8Array, from: Uint8Array | undefined): boolean {
  return from === undefined || compareBytes(key, from) > 0;
}

/** Adds the lines of one table that are in the range. */
async function pour({ table, section }: SectionPart, range: KeyRange, into: SumTable): Promise<void> {
  const blocks = blocksIn(section, range);
  for await (const { raw, ref } of readBlocks(table, section, range)) {
    const lines = linesIn(raw, table.key);
    const isLast = ref === blocks.at(-1);
    const from = range.from !== undefined && compareBytes(ref.firstKey, range.from) < 0 ? lineAt(lines, range.from) : 0;
    const to = range.to !== undefined && isLast ? lineAt(lines, range.to) : lines.length;
    into.add(lines, from, to);
  }
}

/** The content of a LineBlock. */
function linesIn(raw: Uint8Array, key: string): Uint8Array {
  try {
    const [span] = spansOf(raw, 1);
    return span === undefined ? raw.subarray(0, 0) : raw.subarray(span.from, span.to);
  } catch (cause) {
    throw corrupt(key, "a block does not hold lines", cause);
  }
}

/** Where the first line begins whose key is not before `key`. */
function lineAt(lines: Uint8Array, key: Uint8Array): number {
  let at = 0;
  while (at < lines.length && compareBytes(lines.subarray(at, lines.indexOf(TAB, at)), key) < 0)
    at = endOfLine(lines, at) + 1;
  return at;
}
