/**
 * Reads datums of a plan. A chunk is fetched and checked once and kept while its datums are asked for; a datum is unpacked
 * only when it is asked for, so that a claim of ten datums costs ten and not ten thousand.
 *
 * Memory: CHUNKS_KEPT chunks as they are stored (about 4 MiB each), and 16 bytes per datum in them.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import { outOfRange } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import { corrupt, getObject } from "../object.ts";
import { Recent } from "../recent.ts";
import { type Span, spansOf } from "../wire.ts";

const CHUNKS_KEPT = 4;

interface Chunk {
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly spans: readonly Span[];
}

export class PlanReader {
  readonly #store: Store;
  readonly #manifest: store.PlanManifest;
  /** By index in the manifest. */
  readonly #chunks = new Recent<number, Chunk>(CHUNKS_KEPT);

  constructor(source: Store, manifest: store.PlanManifest) {
    this.#store = source;
    this.#manifest = manifest;
  }

  /** Datums from, from + 1, ... up to `to` (not included). Throws OUT_OF_RANGE beyond the plan's end. */
  async *datums(from: bigint, to: bigint): AsyncGenerator<store.Datum, void, void> {
    if (from < 0n || to > this.#manifest.datums) {
      throw outOfRange("PLAN_RANGE", `datums [${from}, ${to}) are not all in a plan of ${this.#manifest.datums}`);
    }
    for (let index = from; index < to; ) {
      const at = this.#chunkOf(index);
      const { from: begin, to: end } = this.#manifest.chunks[at] as store.PlanChunkRef;
      const chunk = await this.#chunk(at);
      for (; index < end && index < to; index++) yield datumOf(chunk, Number(index - begin));
    }
  }

  #chunkOf(index: bigint): number {
    const { chunks } = this.#manifest;
    let low = 0;
    let high = chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((chunks[middle] as store.PlanChunkRef).to <= index) low = middle + 1;
      else high = middle;
    }
    const found = chunks[low];
    if (found === undefined || found.from > index) throw corrupt("of the plan", `no chunk holds datum ${index}`);
    return low;
  }

  #chunk(at: number): Promise<Chunk> {
    return this.#chunks.get(at, () => readChunk(this.#store, this.#manifest.chunks[at] as store.PlanChunkRef));
  }
}

/** Datums [from, to) of a plan, once: see PlanReader for reading on and on. */
export function readPlanDatums(
  source: Store,
  manifest: store.PlanManifest,
  from: bigint,
  to: bigint,
): AsyncIterable<store.Datum> {
  return new PlanReader(source, manifest).datums(from, to);
}

async function readChunk(source: Store, ref: store.PlanChunkRef): Promise<Chunk> {
  const key = ref.object?.key ?? "";
  if (ref.object === undefined) throw corrupt("of the plan", "a chunk is not named");
  const bytes = await getObject(source, ref.object);
  const spans = spansIn(bytes, key);
  if (BigInt(spans.length) !== ref.to - ref.from)
    throw corrupt(key, `it has ${spans.length} datums, not ${ref.to - ref.from}`);
  return { key, bytes, spans };
}

function spansIn(bytes: Uint8Array, key: string): readonly Span[] {
  try {
    return spansOf(bytes, store.PlanChunkSchema.field.datums.number);
  } catch (cause) {
    throw corrupt(key, "it is not a chunk of a plan", cause);
  }
}

function datumOf(chunk: Chunk, at: number): store.Datum {
  const { from, to } = chunk.spans[at] as Span;
  try {
    return fromBinary(store.DatumSchema, chunk.bytes.subarray(from, to));
  } catch (cause) {
    throw corrupt(chunk.key, "it is not a chunk of a plan", cause);
  }
}
