/** Writes a plan: chunks of datums as they come, then a manifest. Memory: one chunk, and 100 bytes per chunk written. */
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import { resourceExhausted } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";
import { messageTableRef, putMessage } from "../object.ts";

const CHUNK_DATUMS = 10_000;
const CHUNK_BYTES = 4 * 1024 * 1024;

/** Some 3 million files. */
const DATUM_BYTES_MAX = 512 * 1024 * 1024;

export interface PlanLimits {
  /** Datums of a chunk. Default 10,000. */
  readonly chunkDatums?: number;
  /** Bytes at which a chunk is ended. Default 4 MiB. */
  readonly chunkBytes?: number;
}

export interface FinishedPlan {
  /** The manifest, as a commit names it. */
  readonly ref: store.TableRef;
  readonly manifest: store.PlanManifest;
}

export class PlanWriter {
  readonly #store: Store;
  readonly #chunkDatums: number;
  readonly #chunkBytes: number;
  readonly #chunks: store.PlanChunkRef[] = [];
  #datums: store.Datum[] = [];
  #size = 0;
  #from = 0n;
  #bytes = 0n;

  constructor(target: Store, limits: PlanLimits = {}) {
    this.#store = target;
    this.#chunkDatums = limits.chunkDatums ?? CHUNK_DATUMS;
    this.#chunkBytes = limits.chunkBytes ?? CHUNK_BYTES;
  }

  /** The next datum of the job. Throws RESOURCE_EXHAUSTED DATUM_TOO_LARGE when its list of files alone is beyond 512 MiB. */
  async add(datum: store.Datum): Promise<void> {
    const size = listBytes(datum);
    if (size > DATUM_BYTES_MAX) throw tooLarge(datum);
    this.#datums.push(datum);
    this.#size += size;
    for (const input of datum.inputs) for (const file of input.files) this.#bytes += file.size;
    if (this.#datums.length >= this.#chunkDatums || this.#size >= this.#chunkBytes) await this.#endChunk();
  }

  /** Writes the manifest; all is durable when it returns. The header says whose result it is. */
  async finish(
    header: Omit<store.ResultHeader, "$typeName" | "$unknown" | "kind" | "from" | "to">,
  ): Promise<FinishedPlan> {
    if (this.#datums.length > 0) await this.#endChunk();
    const manifest = create(store.PlanManifestSchema, {
      version: 1,
      header: { ...header, kind: store.WorkKind.PLAN, from: 0n, to: 1n },
      chunks: this.#chunks,
      datums: this.#from,
      bytes: this.#bytes,
    });
    const object = await putMessage(this.#store, "plans", store.PlanManifestSchema, manifest);
    return { ref: messageTableRef(object), manifest };
  }

  async #endChunk(): Promise<void> {
    const from = this.#from;
    const to = from + BigInt(this.#datums.length);
    const chunk = create(store.PlanChunkSchema, { version: 1, from, datums: this.#datums });
    const object = await putMessage(this.#store, "plans", store.PlanChunkSchema, chunk);
    this.#chunks.push(create(store.PlanChunkRefSchema, { object, from, to }));
    this.#datums = [];
    this.#size = 0;
    this.#from = to;
  }
}

/** What the datum takes in a chunk, within some bytes. */
function listBytes(datum: store.Datum): number {
  let bytes = 100;
  for (const input of datum.inputs) {
    for (const file of input.files) bytes += 60 + file.path.length + file.segments.length * 80;
  }
  return bytes;
}

function tooLarge(datum: store.Datum): Error {
  const files = datum.inputs.reduce((sum, input) => sum + input.files.length, 0);
  const paths = datum.inputs.map((input) => input.path).join(", ");
  return resourceExhausted(
    "DATUM_TOO_LARGE",
    `one datum (${paths.slice(0, 200)}) would have ${files} files; choose a glob that makes smaller ones`,
  );
}
