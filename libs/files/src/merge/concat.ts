/**
 * Joins what several datums wrote at one path: their segments in datum order, no byte copied.
 *
 * Very many tiny parts would make an entry that is larger than they are. So every WINDOW parts in a row that are smaller
 * than TINY_BYTES on average are written anew as one piece. Whether they are depends on the parts alone, never on runs,
 * shards or workers, so the result is always the same.
 */
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import { contentHash } from "../pack/content.ts";
import type { PackWriter } from "../pack/pack-writer.ts";
import type { SegmentReader } from "../pack/segment-reader.ts";

const WINDOW = 1_000;
const TINY_BYTES = 64 * 1024;

export class Concat {
  readonly #path: string;
  readonly #pack: PackWriter;
  readonly #reader: SegmentReader;
  #segments: store.Segment[] = [];
  /** Parts since the last full window. */
  #window: store.Segment[] = [];
  #size = 0n;
  #executable = false;

  constructor(path: string, pack: PackWriter, reader: SegmentReader) {
    this.#path = path;
    this.#pack = pack;
    this.#reader = reader;
  }

  /** The next datum's part. */
  async add(entry: store.FileEntry): Promise<void> {
    this.#size += entry.size;
    this.#executable ||= entry.executable;
    for (const segment of entry.segments) {
      this.#window.push(segment);
      if (this.#window.length === WINDOW) await this.#endWindow();
    }
  }

  finish(): store.FileEntry {
    const segments = [...this.#segments, ...this.#window];
    const hash = contentHash(segments);
    return create(store.FileEntrySchema, {
      path: this.#path,
      size: this.#size,
      hash,
      executable: this.#executable,
      segments,
    });
  }

  async #endWindow(): Promise<void> {
    const bytes = this.#window.reduce((sum, segment) => sum + segment.length, 0);
    const tiny = bytes < WINDOW * TINY_BYTES;
    const kept = tiny ? (await this.#pack.addStream(this.#reader.read(this.#window))).segments : this.#window;
    // One by one: a spread of many arguments has a limit.
    for (const segment of kept) this.#segments.push(segment);
    this.#window = [];
  }
}
