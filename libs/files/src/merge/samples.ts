/** What the footer of a run says about where its weight lies in the output key space. */
import type { store } from "@sheaf/proto";
import { buffer, NO_BYTES } from "../bytes.ts";

/** A place in the output key space. */
export interface Place {
  readonly path: string;
  /** Under `sum`: the key inside the path. Empty: the begin of the path. */
  readonly key: Uint8Array;
}

/** A stretch of the key space and what a run has there, in unpacked bytes. */
export interface Sample {
  readonly from: Place;
  /** Where the next stretch begins, or the last key. */
  readonly to: Place;
  readonly weight: number;
}

/** Samples of one run: at most `limit` of its files, and about as many of its combined tables. */
export function samplesOf(run: store.RunFooter, limit: number): Sample[] {
  const perTable = Math.max(2, Math.floor(limit / Math.max(1, run.combined.length)));
  return [
    ...sectionSamples(run.files, limit, (key) => ({ path: buffer(key).toString("utf8"), key: NO_BYTES })),
    ...run.combined.flatMap(({ path, lines }) => sectionSamples(lines, perTable, (key) => ({ path, key }))),
  ];
}

/** Unpacked bytes of all that a merge reads of the run. */
export function mergeBytes(run: store.RunFooter): number {
  const files = Number(run.files?.rawBytes ?? 0n);
  return run.combined.reduce((sum, { lines }) => sum + Number(lines?.rawBytes ?? 0n), files);
}

/** One sample per block, or per row of blocks when there are more than `limit`. */
export function sectionSamples(
  section: store.Section | undefined,
  limit: number,
  placeOf: (key: Uint8Array) => Place,
): Sample[] {
  const blocks = section?.blocks ?? [];
  const stride = Math.max(1, Math.ceil(blocks.length / limit));
  const samples: Sample[] = [];
  for (let i = 0; i < blocks.length; i += stride) {
    const group = blocks.slice(i, i + stride);
    const next = blocks[i + stride]?.firstKey ?? section?.lastKey ?? NO_BYTES;
    samples.push({
      from: placeOf(group[0]?.firstKey ?? NO_BYTES),
      to: placeOf(next),
      weight: group.reduce((sum, block) => sum + block.rawLength, 0),
    });
  }
  return samples;
}
