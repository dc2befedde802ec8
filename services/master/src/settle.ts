// Writes of the API whose outcome may stay unknown (etcd applies a write that "timed out" up to seconds later).
//
// An owner seals its epoch first (L2); the API has no epoch. It needs none: each of its transactions compares a revision of a
// key that it also changes (its *mark*: deleted, or put with a value that no other call writes). So of the same transaction sent twice at most one
// applies, and sending it again is what settles the first: when the second applies the first never will; when the second is
// refused, the mark says whether the first has applied. Nothing is sent again without these compares.

import type { Compare, Etcd, KeyValue, Op, Revision } from "@sheaf/etcd";
import { backoff, type Clock, internal, type Random, unavailable } from "@sheaf/runtime";

export interface Write {
  readonly compare: readonly Compare[];
  readonly then: readonly Op[];
  /** A key in `compare` that `then` deletes, or puts with a value of this call's own. */
  readonly mark: string;
  /** What it does, for a message: `create repo "a"`. */
  readonly what: string;
}

export type Settled =
  | { readonly kind: "applied"; readonly revision: Revision }
  /** A compare did not hold: read again, then decide. */
  | { readonly kind: "refused" }
  /** A lease that `then` names is gone. Nothing was written. */
  | { readonly kind: "lease-not-found" };

export interface SettleDeps {
  readonly etcd: Etcd;
  readonly clock: Clock;
  readonly random: Random;
}

const SENDS_MAX = 6;

/** Writes, and finds out what became of it. Throws UNAVAILABLE when etcd stays away too long for that. */
export async function settle({ etcd, clock, random }: SettleDeps, write: Write): Promise<Settled> {
  const value = markValue(write);
  const waits = backoff({ baseMs: 50, capMs: 2_000, random });
  let cause = "";
  for (let sends = 1; sends <= SENDS_MAX; sends++) {
    const outcome = await etcd.txn({ compare: write.compare, then: write.then, else: [{ get: write.mark }] });
    switch (outcome.kind) {
      case "applied":
        return { kind: "applied", revision: outcome.revision };
      case "refused":
        return sends > 1 ? ours(outcome.reads[0], value) : { kind: "refused" };
      case "lease-not-found":
        return { kind: "lease-not-found" };
      case "invalid":
        throw internal("WRITE_INVALID", `etcd refused to ${write.what}: ${outcome.message}`);
      case "unknown":
        cause = outcome.cause;
        await clock.sleep(waits.next());
    }
  }
  throw unavailable(
    "OUTCOME_UNKNOWN",
    `etcd did not say whether it did: ${write.what} (${cause}); look whether it was done, or repeat the call with the same request_id`,
  );
}

function ours(kept: KeyValue | null | undefined, value: Uint8Array | undefined): Settled {
  const now = kept ?? undefined;
  const applied = value === undefined || now === undefined ? now === value : Buffer.compare(now.value, value) === 0;
  return applied ? { kind: "applied", revision: now?.modRevision ?? 0n } : { kind: "refused" };
}

/** What the mark holds once the write has applied; undefined: it is gone. */
function markValue({ mark, then, compare, what }: Write): Uint8Array | undefined {
  const guarded = compare.some((each) => each.key === mark && each.target !== "value");
  for (const op of guarded ? then : []) {
    if ("put" in op && op.put === mark) return op.value;
    if ("delete" in op && op.delete === mark) return undefined;
  }
  throw internal("WRITE_UNMARKED", `${what}: ${mark} is not both compared and changed`);
}
