/** The unit of group commit: a small transaction of its own, and what becomes of it. */
import type { Compare, KeyValue, Op, Revision } from "./etcd.ts";

/** What a change may do: puts and deletes of single keys. */
export type ChangeOp = Extract<Op, { readonly put: string } | { readonly delete: string }>;

export interface Change {
  /** For logs and errors: what it is and of what, `commit job 01k... [0, 40)`. */
  readonly name: string;
  /** All must hold, at the moment it is applied. */
  readonly compare: readonly Compare[];
  /** Each key at most once. */
  readonly ops: readonly ChangeOp[];
}

export type ChangeOutcome =
  | { readonly kind: "applied"; readonly revision: Revision }
  /** A compare did not hold. `current`: the state of this change's compared keys then, in the order of its compares. */
  | { readonly kind: "refused"; readonly current: readonly (KeyValue | null)[] }
  /** It puts a key under a lease that is gone. Not applied. */
  | { readonly kind: "lease-not-found" }
  /**
   * The guard failed, the owner gave up, or it could not seal: nothing more will be written. Not applied, except
   * perhaps when it was in a transaction whose answer was lost just before: the next owner will see.
   */
  | { readonly kind: "lost" }
  /** Applied or not, but decided: the seal keeps it from applying later. Read back what it touches, then decide. */
  | { readonly kind: "unknown" };
