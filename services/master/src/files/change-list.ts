// The puts of a commit while they arrive: packed, in big pieces of memory outside the JavaScript heap. A million small files
// take about 180 MB so; as objects they would take a gigabyte. They come out sorted by path, and of one path in the order of
// arrival, as `applyChanges` wants them.

import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import { resourceExhausted } from "@sheaf/runtime";

const SLAB_BYTES = 4 * 1024 * 1024;
/** Bytes before each entry: length of its path (2) and of its message (4). */
const HEAD_BYTES = 6;
const FIRST_ENTRIES = 1_024;

export class ChangeList {
  readonly #bytesMax: number;
  readonly #slabs: Buffer[] = [];
  #used = SLAB_BYTES;
  #slabBytes = 0;
  /** Where each entry lies: slab times SLAB_UNIT plus offset. */
  #places = new Float64Array(FIRST_ENTRIES);
  #count = 0;
  #sorted = true;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#count;
  }

  /** Adds a put whose segments name their packs. RESOURCE_EXHAUSTED above the limit. */
  add(entry: store.FileEntry): void {
    const path = Buffer.from(entry.path);
    const message = toBinary(store.FileEntrySchema, entry);
    const slab = this.#room(HEAD_BYTES + path.length + message.length);
    const at = this.#used;
    slab.writeUInt16LE(path.length, at);
    slab.writeUInt32LE(message.length, at + 2);
    slab.set(path, at + HEAD_BYTES);
    slab.set(message, at + HEAD_BYTES + path.length);
    this.#used += HEAD_BYTES + path.length + message.length;
    this.#note((this.#slabs.length - 1) * SLAB_UNIT + at);
  }

  /** The puts, by path. May be read again: each time from the begin. */
  *sorted(): Generator<store.FileEntry, void, void> {
    this.#sort();
    for (let i = 0; i < this.#count; i++) yield this.#read(this.#places[i] as number);
  }

  #room(bytes: number): Buffer {
    const last = this.#slabs.at(-1);
    if (last !== undefined && this.#used + bytes <= last.length) return last;
    const slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes));
    this.#slabBytes += slab.length;
    if (this.#slabBytes > this.#bytesMax) throw tooMany(this.#count);
    this.#slabs.push(slab);
    this.#used = 0;
    return slab;
  }

  #note(place: number): void {
    if (this.#count === this.#places.length) {
      const more = new Float64Array(this.#places.length * 2);
      more.set(this.#places);
      this.#places = more;
    }
    this.#places[this.#count++] = place;
    const before = this.#places[this.#count - 2];
    if (before !== undefined && this.#sorted) this.#sorted = this.#compare(before, place) <= 0;
  }

  #sort(): void {
    if (this.#sorted) return;
    // Stable, as the language says: of equal paths the last stays last.
    this.#places.subarray(0, this.#count).sort((a, b) => this.#compare(a, b));
    this.#sorted = true;
  }

  /** By the bytes of the paths. */
  #compare(a: number, b: number): number {
    const [slabA, slabB] = [this.#slabOf(a), this.#slabOf(b)];
    const [atA, atB] = [a % SLAB_UNIT, b % SLAB_UNIT];
    const [endA, endB] = [atA + HEAD_BYTES + slabA.readUInt16LE(atA), atB + HEAD_BYTES + slabB.readUInt16LE(atB)];
    return slabA.compare(slabB, atB + HEAD_BYTES, endB, atA + HEAD_BYTES, endA);
  }

  #read(place: number): store.FileEntry {
    const slab = this.#slabOf(place);
    const at = place % SLAB_UNIT;
    const begin = at + HEAD_BYTES + slab.readUInt16LE(at);
    return fromBinary(store.FileEntrySchema, slab.subarray(begin, begin + slab.readUInt32LE(at + 2)));
  }

  #slabOf(place: number): Buffer {
    return this.#slabs[Math.floor(place / SLAB_UNIT)] as Buffer;
  }
}

/** Above every offset in a slab, and small enough for exact places. */
const SLAB_UNIT = 2 ** 32;

function tooMany(count: number): Error {
  return resourceExhausted(
    "COMMIT_TOO_BIG",
    `a commit of more than ${count} files does not fit into memory: send it in several commits`,
  );
}
