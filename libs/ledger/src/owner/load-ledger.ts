import type { Keys, KeyValue } from "@sheaf/etcd";
import { messageOf } from "@sheaf/runtime";
import type { Attempts } from "../core/attempts.ts";
import type { Partition } from "../core/partition.ts";
import type { DoneInterval } from "../door.ts";
import { decodeClaim, decodeDone, decodeFailure } from "../ledger-records.ts";

/** All keys of a ledger, read after the epoch stood (L2). */
export interface LedgerKeyValues {
  readonly dones: readonly KeyValue[];
  readonly claims: readonly KeyValue[];
  readonly failures: readonly KeyValue[];
}

/** Enters what stands in etcd, done intervals first (L5). Returns what contradicts itself, naming the key; null: nothing. */
export function loadLedger(
  keys: Keys,
  { dones, claims, failures }: LedgerKeyValues,
  partition: Partition,
  attempts: Attempts,
  enter: (done: DoneInterval) => void,
): string | null {
  const one = (kv: KeyValue): string | null => {
    const at = keys.parse(kv.key);
    switch (at?.of) {
      case "done": {
        const done = decodeDone(at.start, kv);
        if (!partition.loadDone(done.start, done.end)) return overlaps(kv.key, done.start, done.end, partition.n);
        enter(done);
        return null;
      }
      case "claim": {
        const { worker, start, end } = decodeClaim(kv);
        const claim = { id: at.claim, worker, lease: kv.lease, fence: kv.createRevision, start, end };
        return partition.loadClaim(claim) ? null : overlaps(kv.key, start, end, partition.n);
      }
      case "failure":
        // A failure of an index that is done says nothing: its row tells.
        if (!partition.hasDone(at.index, at.index + 1)) attempts.load(at.index, decodeFailure(kv));
        return null;
      default:
        return `${kv.key} is no key of a ledger`;
    }
  };
  for (const kv of [...dones, ...claims, ...failures]) {
    const contradiction = readable(kv, one);
    if (contradiction !== null) return contradiction;
  }
  return null;
}

function readable(kv: KeyValue, one: (kv: KeyValue) => string | null): string | null {
  try {
    return one(kv);
  } catch (error) {
    return `${kv.key} cannot be read: ${messageOf(error)}`;
  }
}

function overlaps(key: string, start: number, end: number, n: number): string {
  return `${key} says [${start}, ${end}), which overlaps another interval of [0, ${n}) or lies outside`;
}
