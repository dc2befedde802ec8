/**
 * Reads of one object that are asked for in the same turn of the event loop and lie side by side become one: a request to
 * a server far away costs the same for 4 KiB and for 1 MiB.
 *
 * Memory: at most GROUP_BYTES beside what is asked for, per group that is being read.
 */
import type { ByteRange } from "./store.ts";

/** Between two reads that are taken together; what is read in vain costs less than another request. */
const GAP_BYTES = 64 * 1024;
const GROUP_BYTES = 4 * 1024 * 1024;
/** Longer reads are not held up: a request of their own is what they are worth. */
const SMALL_BYTES = 1024 * 1024;

export type ReadRange = (key: string, range: ByteRange) => Promise<Uint8Array>;

interface Waiting {
  readonly range: ByteRange;
  readonly answer: PromiseWithResolvers<Uint8Array>;
}

export class GroupedReads {
  readonly #read: ReadRange;
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(read: ReadRange) {
    this.#read = read;
  }

  get(key: string, range: ByteRange): Promise<Uint8Array> {
    if (range.length > SMALL_BYTES) return this.#read(key, range);
    const answer = Promise.withResolvers<Uint8Array>();
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) waiting.push({ range, answer });
    else {
      this.#waiting.set(key, [{ range, answer }]);
      setImmediate(() => this.#readAll(key));
    }
    return answer.promise;
  }

  #readAll(key: string): void {
    const waiting = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    for (const group of groupsOf(waiting)) void this.#readGroup(key, group);
  }

  async #readGroup(key: string, group: readonly Waiting[]): Promise<void> {
    const offset = group[0]?.range.offset ?? 0;
    const end = Math.max(...group.map(({ range }) => range.offset + range.length));
    try {
      const bytes = await this.#read(key, { offset, length: end - offset });
      for (const { range, answer } of group) {
        const at = range.offset - offset;
        // A copy: each reader may change its own, and keeps no more of it in memory than it asked for.
        answer.resolve(group.length === 1 ? bytes : bytes.slice(at, at + range.length));
      }
    } catch (error) {
      for (const { answer } of group) answer.reject(error);
    }
  }
}

/** Pure: cuts the row of reads, by offset, where the gap is too wide or the whole would be too long. */
function groupsOf(waiting: readonly Waiting[]): Waiting[][] {
  const groups: Waiting[][] = [];
  let end = Number.NEGATIVE_INFINITY;
  let start = 0;
  for (const one of [...waiting].sort((a, b) => a.range.offset - b.range.offset)) {
    const { offset, length } = one.range;
    const group = groups.at(-1);
    const longer = Math.max(end, offset + length);
    if (group !== undefined && offset <= end + GAP_BYTES && longer - start <= GROUP_BYTES) {
      group.push(one);
      end = longer;
    } else {
      groups.push([one]);
      [start, end] = [offset, offset + length];
    }
  }
  return groups;
}
