import type { Component } from "@sheaf/runtime";
import { type MergeOwnerDeps, ownMerges } from "./merge-owner.ts";

/** Owns the merges of every pipeline that there is: begins when one is created, ends when it is deleted. */
export class Merges implements Component {
  readonly #deps: MergeOwnerDeps;
  readonly #owned = new Map<string, { abort: AbortController; done: Promise<void> }>();
  #watch: { close(): Promise<void> } | null = null;

  constructor(deps: MergeOwnerDeps) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    const { etcd, keys } = this.#deps;
    const watch = etcd.watch(keys.pipelines(), {
      snapshot: (kvs) => {
        const names = new Set(kvs.flatMap((kv) => this.#nameOf(kv.key)));
        for (const name of this.#owned.keys()) if (!names.has(name)) this.#end(name);
        for (const name of names) this.#begin(name);
      },
      events: (events) => {
        for (const event of events) {
          for (const name of this.#nameOf(event.type === "put" ? event.kv.key : event.key)) {
            if (event.type === "put") this.#begin(name);
            else this.#end(name);
          }
        }
      },
    });
    this.#watch = watch;
    await watch.ready;
  }

  async stop(): Promise<void> {
    await this.#watch?.close();
    const owned = [...this.#owned];
    for (const [, { abort }] of owned) abort.abort();
    await Promise.all(owned.map(([, { done }]) => done));
  }

  #nameOf(key: string): string[] {
    const at = this.#deps.keys.parse(key);
    return at?.of === "pipeline" ? [at.pipeline] : [];
  }

  #begin(pipeline: string): void {
    if (this.#owned.has(pipeline)) return;
    const abort = new AbortController();
    this.#owned.set(pipeline, { abort, done: ownMerges(this.#deps, pipeline, abort.signal) });
  }

  #end(pipeline: string): void {
    const owned = this.#owned.get(pipeline);
    if (owned === undefined) return;
    this.#owned.delete(pipeline);
    owned.abort.abort();
    void owned.done.then(() => this.#deps.dispatcher.release(pipeline));
  }
}
