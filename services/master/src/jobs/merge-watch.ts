// How far the merge of a job is. The merge replica writes that ledger; the master only looks at its keys.

import type { KeyValue, Watch } from "@sheaf/etcd";
import { readRecord } from "@sheaf/ledger";
import { state } from "@sheaf/proto";
import type { World } from "../context.ts";

export interface MergeProgress {
  /** Shards; 0 before the cut. */
  readonly total: number;
  readonly done: number;
}

export class MergeWatch {
  readonly #world: World;
  readonly #watch: Watch;
  readonly #changed: () => void;
  /** Length of each done interval, by key. */
  readonly #done = new Map<string, number>();
  #total = 0;

  constructor(world: World, job: string, changed: () => void) {
    this.#world = world;
    this.#changed = changed;
    this.#watch = world.etcd.watch(
      world.keys.ledger(job, "merge"),
      {
        snapshot: (kvs) => this.#replace(kvs),
        events: (events) => this.#take(events.flatMap((each) => (each.type === "put" ? [each.kv] : []))),
      },
      { name: `merge of ${job}` },
    );
    // Closed before it was ready: nobody waits for it.
    this.#watch.ready.catch(() => {});
  }

  progress(): MergeProgress {
    let done = 0;
    for (const length of this.#done.values()) done += length;
    return { total: this.#total, done };
  }

  close(): Promise<void> {
    return this.#watch.close();
  }

  #replace(kvs: readonly KeyValue[]): void {
    this.#done.clear();
    this.#take(kvs);
  }

  /** Deletes are left out: the keys of a ledger go when its job has ended, and then the record speaks. */
  #take(kvs: readonly KeyValue[]): void {
    for (const kv of kvs) {
      try {
        this.#note(kv);
      } catch (error) {
        this.#world.log.error({ err: error, key: kv.key }, "a key of a merge ledger cannot be read: left out");
      }
    }
    this.#changed();
  }

  #note(kv: KeyValue): void {
    const parsed = this.#world.keys.parse(kv.key);
    if (parsed?.of === "ledger-meta") this.#total = Number(readRecord(state.LedgerMetaSchema, kv).record.n);
    if (parsed?.of !== "done") return;
    this.#done.set(kv.key, Number(readRecord(state.DoneRecordSchema, kv).record.end) - parsed.start);
  }
}
