// When claims and owners came and went, for the figures.

import { fromBinary } from "@bufbuild/protobuf";
import { state } from "@sheaf/proto";
import { KEYS } from "../keeper.ts";
import type { KeyChange, Revision, Store } from "./replay.ts";

/** A claim with one interval: a shrink ends it and begins the next. */
export interface ClaimSpan {
  readonly key: string;
  readonly job: string;
  readonly pipeline: string;
  readonly kind: string;
  readonly worker: string;
  readonly start: number;
  readonly end: number;
  readonly fromNs: number;
  /** First interval of its claim. */
  readonly isNew: boolean;
  untilNs: number;
}

export interface OwnerSpan {
  readonly key: string;
  readonly pipeline: string;
  readonly replica: string;
  readonly fromNs: number;
  untilNs: number;
}

export class Timeline {
  readonly claims: ClaimSpan[] = [];
  readonly owners: OwnerSpan[] = [];
  /** Id of each replica by the address that it advertises, at any time. */
  readonly replicas = new Map<string, Set<string>>();
  readonly #open = new Map<string, ClaimSpan | OwnerSpan>();
  readonly #pipelines = new Map<string, string>();

  each({ ns, changes }: Revision, _before: Store): void {
    for (const change of changes) {
      const parsed = KEYS.parse(change.key);
      if (parsed?.of === "job") this.#pipelines.set(parsed.job, parsed.pipeline);
      if ((parsed?.of === "master" || parsed?.of === "merger") && change.now)
        this.#replica(parsed.id, change.now.value);
      if (parsed?.of === "claim") this.#claim(ns, change, parsed.job, parsed.kind);
      if (parsed?.of === "owner") this.#owner(ns, change, parsed.pipeline);
    }
  }

  #claim(ns: number, change: KeyChange, job: string, kind: string): void {
    this.#close(ns, change.key);
    if (change.now === undefined) return;
    const { worker, start, end } = fromBinary(state.ClaimRecordSchema, change.now.value);
    const span = {
      ...{ key: change.key, job, kind, pipeline: this.#pipelines.get(job) ?? "", worker },
      ...{ start: Number(start), end: Number(end), isNew: change.before === undefined },
      ...{ fromNs: ns, untilNs: Number.POSITIVE_INFINITY },
    };
    this.claims.push(span);
    this.#open.set(change.key, span);
  }

  #owner(ns: number, { key, before, now }: KeyChange, pipeline: string): void {
    // A seal puts the key again, and is no new owner.
    if (before !== undefined && now !== undefined) return;
    this.#close(ns, key);
    if (now === undefined) return;
    const { replica } = fromBinary(state.OwnerRecordSchema, now.value);
    const span = { key, pipeline, replica, fromNs: ns, untilNs: Number.POSITIVE_INFINITY };
    this.owners.push(span);
    this.#open.set(key, span);
  }

  #close(ns: number, key: string): void {
    const open = this.#open.get(key);
    if (open !== undefined) open.untilNs = ns;
    this.#open.delete(key);
  }

  #replica(id: string, value: Uint8Array): void {
    const { dispatchAddress } = fromBinary(state.ReplicaRecordSchema, value);
    this.replicas.set(dispatchAddress, (this.replicas.get(dispatchAddress) ?? new Set()).add(id));
  }
}
