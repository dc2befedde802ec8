/**
 * Adds numbers up by key: a hash table over bytes, because a string per line costs several times as much as the rest.
 *
 * The bytes of all keys stand one after another in one buffer; entry i has its key from starts[i] to starts[i + 1], and its
 * sum. `slots` is the hash table, two numbers a slot: entry number + 1 (0 when free), and the hash, so that a slot that is
 * not the right one costs one look at memory; a collision goes on to the next slot. A sum that is not a safe integer is NaN
 * in `sums` and stands in `big`.
 *
 * Memory: about 40 bytes per key beside the key itself; see `memory`. It doubles when it grows.
 */
import { internal } from "@sheaf/runtime";
import { buffer } from "../bytes.ts";
import { LF, TAB } from "./lines.ts";
import { addValues, formatNumber, parseNumber, SAFE_DIGITS, type Value } from "./number.ts";

const KEYS_AT_FIRST = 64;
const KEY_BYTES_AT_FIRST = 1024;
const LONGEST_NUMBER = 24;

/** Which half of 64 bits counts less, on this machine. */
const LOW = new Uint32Array(BigUint64Array.of(1n).buffer)[0] === 1 ? 0 : 1;
const HIGH = 1 - LOW;

type Bytes = Buffer<ArrayBuffer>;

/** A row of whole lines, sorted by key. */
export interface LineChunk {
  readonly firstKey: Uint8Array;
  readonly lastKey: Uint8Array;
  readonly lines: Uint8Array;
  readonly count: number;
}

export class SumTable {
  #count = 0;
  #keyBytes: Bytes = Buffer.allocUnsafeSlow(KEY_BYTES_AT_FIRST);
  #keyEnd = 0;
  /** One more than there are entries: where the last key ends. */
  #starts = new Uint32Array(KEYS_AT_FIRST + 1);
  #sums = new Float64Array(KEYS_AT_FIRST);
  #slots = new Int32Array(KEYS_AT_FIRST * 2 * 2);
  readonly #big = new Map<number, Value>();

  /** Keys so far. */
  get size(): number {
    return this.#count;
  }

  /** Bytes of all lines, about. */
  get bytes(): number {
    return this.#keyEnd + this.#count * 4;
  }

  /** Bytes that the table holds, about. */
  get memory(): number {
    return this.#keyBytes.length + this.#sums.length * 28 + this.#big.size * 100;
  }

  /**
   * Adds the lines in [from, to), all of them well formed (see `checkSum`) and ended by LF. Throws INTERNAL SUM_LINE at one
   * that is not; the lines before it are then added.
   */
  add(lines: Uint8Array, from = 0, to: number = lines.length): void {
    let at = from;
    while (at < to) {
      // FNV-1a, while looking for the TAB.
      let hash = 0x811c9dc5 | 0;
      let tab = at;
      let byte = 0;
      for (; tab < to; tab++) {
        byte = lines[tab] as number;
        if (byte === TAB || byte === LF) break;
        hash = Math.imul(hash ^ byte, 0x01000193);
      }
      if (byte !== TAB || tab >= to) throw badLine(lines, at);
      // The number, as long as it is a short integer.
      let end = tab + 1;
      let value = 0;
      for (; end < to; end++) {
        const digit = (lines[end] as number) - 0x30;
        if (digit < 0 || digit > 9) break;
        value = value * 10 + digit;
      }
      const entry = this.#entryOf(lines, at, tab, hash);
      const digits = end - tab - 1;
      if (lines[end] === LF && end < to && digits > 0 && digits <= SAFE_DIGITS) {
        const sum = (this.#sums[entry] as number) + value;
        // NaN fails this as well.
        if (Math.abs(sum) <= Number.MAX_SAFE_INTEGER) this.#sums[entry] = sum;
        else this.#addSlowly(entry, value);
      } else {
        end = lines.indexOf(LF, tab);
        const slow = end < 0 || end >= to ? null : parseNumber(buffer(lines).toString("latin1", tab + 1, end));
        if (slow === null) throw badLine(lines, at);
        this.#addSlowly(entry, slow);
      }
      at = end + 1;
    }
  }

  /** All sums as lines sorted by key, in chunks of `chunkBytes` or a little more; the first one may be wanted shorter. */
  *chunks(chunkBytes: number, firstChunkBytes: number = chunkBytes): Generator<LineChunk, void, void> {
    const order = this.#order();
    let out: Bytes = Buffer.allocUnsafeSlow(chunkBytes + 4096);
    let used = 0;
    let first = 0;
    for (let i = 0; i < order.length; i++) {
      const entry = order[i] as number;
      const start = this.#starts[entry] as number;
      const length = (this.#starts[entry + 1] as number) - start;
      const number = formatNumber(this.#valueOf(entry));
      if (used + length + number.length + 2 > out.length) out = grown(out, used + length + number.length + 2);
      this.#keyBytes.copy(out, used, start, start + length);
      used += length;
      out[used++] = TAB;
      used += number.length < LONGEST_NUMBER ? writeAscii(out, used, number) : out.write(number, used, "latin1");
      out[used++] = LF;
      if (used < (first === 0 ? firstChunkBytes : chunkBytes) && i < order.length - 1) continue;
      yield {
        firstKey: this.#key(order[first] as number),
        lastKey: this.#key(entry),
        lines: out.subarray(0, used),
        count: i + 1 - first,
      };
      out = Buffer.allocUnsafeSlow(chunkBytes + 4096);
      used = 0;
      first = i + 1;
    }
  }

  /** The entry of the key, made when it is new. */
  #entryOf(lines: Uint8Array, from: number, to: number, rawHash: number): number {
    // FNV's low bits alone are not well mixed.
    const hash = rawHash ^ (rawHash >>> 15);
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = (hash << 1) & mask; ; slot = (slot + 2) & mask) {
      const found = slots[slot] as number;
      if (found === 0) return this.#insert(lines, from, to, hash, slot);
      if (slots[slot + 1] === hash && this.#isKey(found - 1, lines, from, to)) return found - 1;
    }
  }

  #isKey(entry: number, lines: Uint8Array, from: number, to: number): boolean {
    const start = this.#starts[entry] as number;
    if ((this.#starts[entry + 1] as number) - start !== to - from) return false;
    const keys = this.#keyBytes;
    for (let i = from, k = start; i < to; i++, k++) {
      if (keys[k] !== lines[i]) return false;
    }
    return true;
  }

  #insert(lines: Uint8Array, from: number, to: number, hash: number, slot: number): number {
    const entry = this.#count++;
    const length = to - from;
    if (this.#keyEnd + length > this.#keyBytes.length) this.#keyBytes = grown(this.#keyBytes, this.#keyEnd + length);
    if (entry === this.#sums.length) this.#growEntries();
    for (let i = from, k = this.#keyEnd; i < to; i++, k++) this.#keyBytes[k] = lines[i] as number;
    this.#keyEnd += length;
    this.#starts[entry + 1] = this.#keyEnd;
    this.#slots[slot] = entry + 1;
    this.#slots[slot + 1] = hash;
    if (this.#count * 4 > this.#slots.length) this.#growSlots();
    return entry;
  }

  #growEntries(): void {
    const size = this.#sums.length * 2;
    const starts = new Uint32Array(size + 1);
    const sums = new Float64Array(size);
    starts.set(this.#starts);
    sums.set(this.#sums);
    this.#starts = starts;
    this.#sums = sums;
  }

  #growSlots(): void {
    const old = this.#slots;
    const slots = new Int32Array(old.length * 2);
    const mask = slots.length - 1;
    for (let i = 0; i < old.length; i += 2) {
      if (old[i] === 0) continue;
      const hash = old[i + 1] as number;
      let slot = (hash << 1) & mask;
      while (slots[slot] !== 0) slot = (slot + 2) & mask;
      slots[slot] = old[i] as number;
      slots[slot + 1] = hash;
    }
    this.#slots = slots;
  }

  #addSlowly(entry: number, value: Value): void {
    const sum = addValues(this.#valueOf(entry), value);
    if (typeof sum === "number") {
      this.#sums[entry] = sum;
      this.#big.delete(entry);
    } else {
      this.#sums[entry] = Number.NaN;
      this.#big.set(entry, sum);
    }
  }

  #valueOf(entry: number): Value {
    const sum = this.#sums[entry] as number;
    return Number.isNaN(sum) ? (this.#big.get(entry) as Value) : sum;
  }

  #key(entry: number): Uint8Array {
    return new Uint8Array(this.#keyBytes.subarray(this.#starts[entry], this.#starts[entry + 1]));
  }

  /**
   * Entries by the bytes of their keys. Entry and the first four bytes in which keys differ stand together in 64 bits, which
   * V8 sorts natively, several times faster than with a function that compares; what these bytes leave open is sorted after.
   */
  #order(): Uint32Array {
    const packed = new BigUint64Array(this.#count);
    const halves = new Uint32Array(packed.buffer);
    const skip = this.#commonPrefix();
    for (let entry = 0; entry < this.#count; entry++) {
      halves[2 * entry + LOW] = entry;
      halves[2 * entry + HIGH] = this.#head(entry, skip);
    }
    packed.sort();
    const order = new Uint32Array(this.#count);
    for (let i = 0; i < order.length; i++) order[i] = halves[2 * i + LOW] as number;
    for (let from = 0, to = 1; from < order.length; from = to++) {
      while (to < order.length && halves[2 * to + HIGH] === halves[2 * from + HIGH]) to++;
      if (to - from > 1) order.subarray(from, to).sort((a, b) => this.#compare(a, b));
    }
    return order;
  }

  /** Bytes that all keys begin with. */
  #commonPrefix(): number {
    const keys = this.#keyBytes;
    let common = this.#starts[1] as number;
    for (let entry = 1; entry < this.#count; entry++) {
      const start = this.#starts[entry] as number;
      const length = Math.min(common, (this.#starts[entry + 1] as number) - start);
      for (common = 0; common < length && keys[start + common] === keys[common]; common++);
    }
    return common;
  }

  /** Four bytes after the first `skip` as a number, zeros after a shorter key. */
  #head(entry: number, skip: number): number {
    const end = this.#starts[entry + 1] as number;
    let head = 0;
    for (let i = 0, at = (this.#starts[entry] as number) + skip; i < 4; i++, at++)
      head = head * 256 + (at < end ? (this.#keyBytes[at] as number) : 0);
    return head;
  }

  #compare(a: number, b: number): number {
    const keys = this.#keyBytes;
    const startA = this.#starts[a] as number;
    const startB = this.#starts[b] as number;
    const lengthA = (this.#starts[a + 1] as number) - startA;
    const lengthB = (this.#starts[b + 1] as number) - startB;
    const length = Math.min(lengthA, lengthB);
    for (let i = 0; i < length; i++) {
      const difference = (keys[startA + i] as number) - (keys[startB + i] as number);
      if (difference !== 0) return difference;
    }
    return lengthA - lengthB;
  }
}

function grown(bytes: Bytes, atLeast: number): Bytes {
  const larger = Buffer.allocUnsafeSlow(Math.max(bytes.length * 2, atLeast));
  bytes.copy(larger);
  return larger;
}

/** For short texts a loop is quicker than a call into Node. */
function writeAscii(out: Buffer, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i);
  return text.length;
}

function badLine(lines: Uint8Array, at: number): Error {
  const shown = JSON.stringify(buffer(lines).toString("utf8", at, Math.min(lines.length, at + 80)));
  return internal("SUM_LINE", `a line under sum is not "key TAB number": ${shown}`);
}
