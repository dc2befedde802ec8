/**
 * Which replica shall own a pipeline, and when it moves. Pure.
 *
 * H1. Of the replicas that live, the one with the highest hash of its id and the pipeline shall own it (rendezvous hashing).
 *     All replicas find the same one without a word, and when one comes or goes only its own share moves.
 * H2. That one takes an absent owner key at once; any other takes it when it has been absent for two seconds. So one that is
 *     stuck, or does not reach etcd, costs two seconds and never the pipeline.
 * H3. An owner hands over only to a replica that it did not know of when it took the pipeline. So whoever stood in (H2) keeps it
 *     until a replica comes, and nothing goes back and forth between two that live.
 *
 * None of this is needed for safety: the owner key and its epoch decide (L1).
 */

import { createHash } from "node:crypto";
import type { Revision } from "@sheaf/etcd";

/** How long the replica that shall own a pipeline may leave its key absent (H2). */
export const STAND_IN_MS = 2_000;

/** A replica whose own key stands in etcd. */
export interface LiveReplica {
  readonly id: string;
  /** When it came: the revision that created its key. */
  readonly since: Revision;
}

/** H1. Undefined: no replica lives. */
export function rightfulOwner(pipeline: string, replicas: Iterable<string>): string | undefined {
  let best: { readonly id: string; readonly weight: string } | undefined;
  for (const id of replicas) {
    const weight = createHash("sha256").update(`${pipeline}\n${id}`).digest("hex");
    if (best === undefined || weight > best.weight) best = { id, weight };
  }
  return best?.id;
}

export interface TurnView {
  readonly pipeline: string;
  readonly self: string;
  /** Ids of those that live. */
  readonly replicas: readonly string[];
  /** Since when the owner key was seen to be absent, in milliseconds; null: somebody holds it. */
  readonly absentSinceMs: number | null;
  readonly nowMs: number;
}

/** Whether a replica may take the owner key. */
export type Turn = { readonly kind: "now" } | { readonly kind: "at"; readonly ms: number } | { readonly kind: "wait" };

export function decideTurn({ pipeline, self, replicas, absentSinceMs, nowMs }: TurnView): Turn {
  // One that is not listed has lost its lease, or is about to stop.
  if (absentSinceMs === null || !replicas.includes(self)) return { kind: "wait" };
  if (rightfulOwner(pipeline, replicas) === self) return { kind: "now" };
  const ms = absentSinceMs + STAND_IN_MS;
  return ms <= nowMs ? { kind: "now" } : { kind: "at", ms };
}

/** H3. `knownAt`: the revision as of which `self` knew the replicas when it took the pipeline. */
export function handsOver(
  pipeline: string,
  self: string,
  knownAt: Revision,
  replicas: readonly LiveReplica[],
): boolean {
  const rightful = rightfulOwner(
    pipeline,
    replicas.map((replica) => replica.id),
  );
  return replicas.some(({ id, since }) => id === rightful && id !== self && since > knownAt);
}
