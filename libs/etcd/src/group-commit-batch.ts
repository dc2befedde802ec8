/** The deciding half of group commit: pure functions over changes, without etcd, clock or state. */
import type { Change, ChangeOp } from "./change.ts";
import type { Compare, KeyValue, Txn } from "./etcd.ts";

export interface BatchLimits {
  readonly maxOps: number;
  /** Guard included. */
  readonly maxCompares: number;
}

/**
 * Takes from the head of `queue` (and removes) what goes into one transaction: G2, G3, G4 of group-commit.ts.
 * The first change is always taken: if it is too large alone, etcd says so.
 */
export function takeBatch<T extends { readonly change: Change }>(
  queue: T[],
  guard: readonly Compare[],
  limits: BatchLimits,
): T[] {
  const batch: T[] = [];
  const skipped: T[] = [];
  /** Keys that a change before writes: nobody behind may compare or write them in this batch (G3). */
  const written = new Set<string>();
  /** Keys that a change which waits compares: nobody may write them before it has (G4). */
  const awaited = new Set<string>();
  const compares = new Set(guard.map(identityOf));
  let ops = 0;
  let taken = 0;
  for (const item of queue) {
    const { change } = item;
    const added = newCompares(change, compares);
    const fits = ops + change.ops.length <= limits.maxOps && compares.size + added.length <= limits.maxCompares;
    if (batch.length > 0 && !fits) break;
    taken++;
    if (touches(change, written) || change.ops.some((op) => awaited.has(keyOf(op)))) {
      skipped.push(item);
      for (const compare of change.compare) awaited.add(compare.key);
    } else {
      batch.push(item);
      ops += change.ops.length;
      for (const identity of added) compares.add(identity);
    }
    for (const op of change.ops) written.add(keyOf(op));
  }
  queue.splice(0, taken, ...skipped);
  return batch;
}

/** One transaction: guard and all compares, all operations, and in its else branch a read of each compared key. */
export function toTxn(guard: readonly Compare[], changes: readonly Change[]): Txn {
  const compare = [...new Map(allCompares(guard, changes).map((one) => [identityOf(one), one])).values()];
  return {
    compare,
    then: changes.flatMap((change) => change.ops),
    else: comparedKeys(guard, changes).map((key) => ({ get: key })),
  };
}

/** The state of each compared key that the else branch of `toTxn` read. */
export function readsByKey(
  guard: readonly Compare[],
  changes: readonly Change[],
  reads: readonly (KeyValue | null)[],
): ReadonlyMap<string, KeyValue | null> {
  return new Map(comparedKeys(guard, changes).map((key, i) => [key, reads[i] ?? null]));
}

/** Whether a compare holds for the key's state; the same as etcd decides. */
export function holds(compare: Compare, state: KeyValue | null): boolean {
  switch (compare.target) {
    case "create":
      return (state?.createRevision ?? 0n) === compare.is;
    case "mod":
      return (state?.modRevision ?? 0n) === compare.is;
    case "value":
      return state !== null && Buffer.compare(state.value, compare.is) === 0;
  }
}

export function allHold(compares: readonly Compare[], states: ReadonlyMap<string, KeyValue | null>): boolean {
  return compares.every((compare) => holds(compare, states.get(compare.key) ?? null));
}

/** The leases that the changes put keys under. */
export function leasesOf(changes: readonly Change[]): string[] {
  const leases = changes.flatMap((change) => change.ops.flatMap((op) => ("put" in op && op.lease ? [op.lease] : [])));
  return [...new Set(leases)].filter((lease) => lease !== "0");
}

/** The keys that the changes write. */
export function writtenKeys(changes: readonly Change[]): string[] {
  return [...new Set(changes.flatMap((change) => change.ops.map(keyOf)))];
}

function allCompares(guard: readonly Compare[], changes: readonly Change[]): readonly Compare[] {
  return [...guard, ...changes.flatMap((change) => change.compare)];
}

function comparedKeys(guard: readonly Compare[], changes: readonly Change[]): string[] {
  return [...new Set(allCompares(guard, changes).map((compare) => compare.key))];
}

function newCompares(change: Change, known: ReadonlySet<string>): string[] {
  return [...new Set(change.compare.map(identityOf))].filter((identity) => !known.has(identity));
}

function touches(change: Change, keys: ReadonlySet<string>): boolean {
  return change.compare.some((compare) => keys.has(compare.key)) || change.ops.some((op) => keys.has(keyOf(op)));
}

function keyOf(op: ChangeOp): string {
  return "put" in op ? op.put : op.delete;
}

function identityOf(compare: Compare): string {
  const is = compare.target === "value" ? Buffer.from(compare.is).toString("base64") : compare.is;
  return `${compare.target} ${is} ${compare.key}`; // neither of the first two holds a space
}
