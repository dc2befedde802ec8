// Who lives and who owns what, as etcd's watches tell it: for finding the owner of a pipeline, and for knowing when to campaign.
// It may lag; what decides is the transaction that creates the owner key (L1).

import type { Message } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import type { Etcd, Keys, KeyValue, Revision, Watch, WatchEvent } from "@sheaf/etcd";
import { state } from "@sheaf/proto";
import type { Clock, Logger } from "@sheaf/runtime";
import type { Replica } from "../door.ts";
import { readRecord } from "../record.ts";
import type { LiveReplica } from "./placement.ts";

export interface ReplicasDeps {
  readonly etcd: Etcd;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly log: Logger;
  readonly role: "master" | "merge";
}

interface SeenReplica extends Replica, LiveReplica {
  readonly modRevision: Revision;
}

interface SeenOwner {
  readonly replica: string;
  readonly modRevision: Revision;
}

interface Following<V> {
  readonly read: (kv: KeyValue) => { readonly name: string; readonly value: V } | undefined;
  /** The watch has come to a revision; `names`: what changed, undefined: anything may have. */
  readonly reached: (revision: Revision, names: readonly string[] | undefined) => void;
}

export class Replicas {
  readonly #deps: ReplicasDeps;
  readonly #live = new Map<string, SeenReplica>();
  readonly #owners = new Map<string, SeenOwner>();
  /** With the pipeline that each is about; undefined: all. */
  readonly #listeners = new Map<() => void, string | undefined>();
  /** How far the watches have come. */
  #ownersRevision: Revision = 0n;
  #liveRevision: Revision = 0n;
  #watches: readonly Watch[] = [];

  constructor(deps: ReplicasDeps) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    const { keys, role } = this.#deps;
    const [replicas, owners] =
      role === "master" ? [keys.masters(), keys.owners()] : [keys.mergers(), keys.mergeOwners()];
    this.#watches = [
      this.#follow(replicas, this.#live, {
        read: (kv) => this.#replicaOf(kv),
        reached: (revision) => {
          this.#liveRevision = revision;
          this.#tell();
        },
      }),
      this.#follow(owners, this.#owners, {
        read: (kv) => this.#ownerOf(kv),
        reached: (revision, names) => {
          this.#ownersRevision = revision;
          this.#tell(names);
        },
      }),
    ];
    await Promise.all(this.#watches.map((watch) => watch.ready));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch.close()));
  }

  /** Those that live. */
  get live(): readonly (Replica & LiveReplica)[] {
    return [...this.#live.values()];
  }

  /** When one last came or went. */
  get liveRevision(): Revision {
    return this.#liveRevision;
  }

  /** Id of the replica that holds a pipeline's owner key. */
  ownerId(pipeline: string): string | undefined {
    return this.#owners.get(pipeline)?.replica;
  }

  /** The modification revision of a pipeline's owner key. */
  ownerRevision(pipeline: string): Revision | undefined {
    return this.#owners.get(pipeline)?.modRevision;
  }

  /** The replica that owns a pipeline, when it lives as far as this one knows. */
  owner(pipeline: string): Replica | undefined {
    const id = this.ownerId(pipeline);
    return id === undefined ? undefined : this.#live.get(id);
  }

  /** Takes in an owner key that was read, so that nobody here waits for the watch to tell it. */
  learn(kv: KeyValue): void {
    const seen = this.#ownerOf(kv);
    // At or below the revision of the watch it has been told already, or deleted since.
    if (seen === undefined || kv.modRevision <= this.#ownersRevision) return;
    this.#owners.set(seen.name, seen.value);
    this.#tell([seen.name]);
  }

  /**
   * Calls back when a replica comes or goes and when a pipeline, this one or any, has changed hands, until what it returns is
   * called. The callback must not throw.
   */
  onChange(callback: () => void, pipeline?: string): () => void {
    this.#listeners.set(callback, pipeline);
    return () => this.#listeners.delete(callback);
  }

  /** Resolves after the next change that concerns the pipeline, or after `limitMs`. Rejects when `signal` aborts. */
  async changed(pipeline: string, limitMs: number | undefined, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    const forget = this.onChange(wake, pipeline);
    using _limit = limitMs === undefined ? undefined : this.#deps.clock.timer(limitMs, wake);
    signal.addEventListener("abort", wake, { once: true });
    await promise;
    forget();
    signal.removeEventListener("abort", wake);
    signal.throwIfAborted();
  }

  /** Keeps `into` as what stands under `prefix`. A record that was learned may be newer than an event. */
  #follow<V extends { readonly modRevision: Revision }>(
    prefix: string,
    into: Map<string, V>,
    { read, reached }: Following<V>,
  ): Watch {
    const put = (kv: KeyValue) => {
      const seen = read(kv);
      if (seen === undefined || (into.get(seen.name)?.modRevision ?? 0n) > kv.modRevision) return;
      into.set(seen.name, seen.value);
    };
    const remove = (name: string, revision: Revision) => {
      const known = into.get(name);
      if (known !== undefined && known.modRevision <= revision) into.delete(name);
    };
    return this.#deps.etcd.watch(
      prefix,
      {
        snapshot: (kvs, revision) => {
          const listed = new Set(kvs.map((kv) => kv.key.slice(prefix.length)));
          for (const name of [...into.keys()]) if (!listed.has(name)) remove(name, revision);
          for (const kv of kvs) put(kv);
          reached(revision, undefined);
        },
        events: (events: readonly WatchEvent[], revision) => {
          for (const event of events) {
            if (event.type === "put") put(event.kv);
            else remove(event.key.slice(prefix.length), event.modRevision);
          }
          const keys = events.map((event) => (event.type === "put" ? event.kv.key : event.key));
          reached(
            revision,
            keys.map((key) => key.slice(prefix.length)),
          );
        },
      },
      { name: `replicas: ${prefix}` },
    );
  }

  #replicaOf(kv: KeyValue) {
    const at = this.#deps.keys.parse(kv.key);
    if (at?.of !== "master" && at?.of !== "merger") return undefined;
    const record = this.#record(state.ReplicaRecordSchema, kv);
    if (record === undefined) return undefined;
    const { dispatchAddress, apiAddress } = record;
    const { createRevision: since, modRevision } = kv;
    return { name: at.id, value: { id: at.id, dispatchAddress, apiAddress, since, modRevision } };
  }

  #ownerOf(kv: KeyValue) {
    const at = this.#deps.keys.parse(kv.key);
    if (at?.of !== "owner" && at?.of !== "merge-owner") return undefined;
    const record = this.#record(state.OwnerRecordSchema, kv);
    // A record that cannot be read still means that somebody holds the key.
    return { name: at.pipeline, value: { replica: record?.replica ?? "", modRevision: kv.modRevision } };
  }

  #record<R extends Message & { version: number }>(schema: GenMessage<R>, kv: KeyValue): R | undefined {
    try {
      return readRecord(schema, kv).record;
    } catch (error) {
      this.#deps.log.error({ key: kv.key, err: error }, "a key of a replica or an owner cannot be read");
      return undefined;
    }
  }

  /** Something else has changed that those who wait for the pipeline look at. */
  wake(pipeline: string): void {
    this.#tell([pipeline]);
  }

  /** `pipelines`: those that changed hands; undefined: anything may have changed. */
  #tell(pipelines?: readonly string[]): void {
    const named = new Set(pipelines);
    for (const [callback, about] of [...this.#listeners]) {
      if (pipelines === undefined || about === undefined || named.has(about)) callback();
    }
  }
}
