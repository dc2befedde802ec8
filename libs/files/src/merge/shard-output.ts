/**
 * The index shard that a merge writes. Files whose bytes are new lie in a pack that has no name yet (PackWriter), so they
 * and what comes after them wait until it has one.
 *
 * Memory: the packed shard, the packs (see PackWriter), and at most WAITING_MAX entries that wait.
 */
import type { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { copyOf } from "../bytes.ts";
import { ShardWriter } from "../commit/index-writer.ts";
import { type PackLimits, PackWriter } from "../pack/pack-writer.ts";
import { fileRecords } from "../table/records.ts";

const WAITING_MAX = 10_000;

type Waiting =
  | { readonly path: string; readonly size: bigint; readonly message: Uint8Array }
  | { readonly entry: store.FileEntry };

export class ShardOutput {
  readonly #store: Store;
  readonly #shard = new ShardWriter();
  #waiting: Waiting[] = [];
  /** For bytes that the merge makes new. */
  readonly pack: PackWriter;

  constructor(target: Store, limits?: PackLimits) {
    this.#store = target;
    this.pack = new PackWriter(target, limits);
  }

  /** Adds a file whose bytes lie in closed packs, as a FileEntry message. */
  addPacked(path: string, size: bigint, message: Uint8Array): void {
    if (this.#waiting.length === 0) this.#shard.addPacked(path, size, message);
    // The bytes are part of a block that would be kept alive whole.
    else this.#waiting.push({ path, size, message: copyOf(message) });
  }

  /** Adds a file that may lie in a pack that is still open. */
  add(entry: store.FileEntry): void {
    this.#waiting.push({ entry });
    this.#flush();
  }

  /** To be awaited now and then: keeps what waits bounded. */
  async settle(): Promise<void> {
    await this.pack.ready();
    if (this.#waiting.length >= WAITING_MAX) await this.pack.close();
    this.#flush();
  }

  /** Stores all. The shard is undefined when it has no file. */
  async finish(): Promise<{
    readonly index: store.IndexShard | undefined;
    readonly packs: Uint8Array[];
  }> {
    await this.pack.close();
    this.#flush();
    return { index: await this.#shard.finish(this.#store), packs: [...this.pack.packs] };
  }

  /** Writes what waits, up to the first file whose pack has no name. */
  #flush(): void {
    let done = 0;
    for (const item of this.#waiting) {
      if ("entry" in item) {
        if (item.entry.segments.some((segment) => segment.pack.length === 0)) break;
        this.#shard.addPacked(item.entry.path, item.entry.size, fileRecords.encode(item.entry));
      } else {
        this.#shard.addPacked(item.path, item.size, item.message);
      }
      done++;
    }
    this.#waiting = done === this.#waiting.length ? [] : this.#waiting.slice(done);
  }
}
