/**
 * How large the blocks of a run's sections are. Their first keys are the samples by which the merge of the job is cut
 * (merge/cuts.ts), so a small section has small blocks, some 64 of them.
 *
 * Runs of one job mostly span the same keys. If all of them began their second block at the same place, thousands of runs
 * would tell no more than one. So the first block of each is cut short by another part: the golden ratio's multiples fill
 * [0, 1) evenly, however many are taken.
 */
import { BLOCK_BYTES } from "../table/table-writer.ts";

const BLOCK_BYTES_MIN = 2 * 1024;
const SAMPLES = 64;
const GOLDEN = 0.6180339887498949;
/** From so many bytes on the blocks of a section are as large as they get. */
export const LARGE_SECTION_BYTES = SAMPLES * BLOCK_BYTES;

export interface BlockSizes {
  readonly blockBytes: number;
  readonly firstBlockBytes: number;
}

/** For a section of `sectionBytes` unpacked, of a run that begins at datum `from`. */
export function blockSizes(sectionBytes: number, from: bigint): BlockSizes {
  const wanted = Math.ceil(sectionBytes / SAMPLES);
  const blockBytes = Math.min(BLOCK_BYTES, Math.max(BLOCK_BYTES_MIN, wanted));
  const part = ((Number(from) + 1) * GOLDEN) % 1;
  return { blockBytes, firstBlockBytes: Math.max(1, Math.ceil(blockBytes * part)) };
}
