import type { Keys, KeyValue } from "@sheaf/etcd";
import type { DoneInterval } from "../door.ts";
import { encodeDone } from "../ledger-records.ts";

/**
 * L5: whether the done intervals that stand in etcd tile [0, n) exactly, and each is what this owner wrote or read. Null: they do;
 * else what contradicts, with the key.
 */
export function tilesExactly(
  keys: Keys,
  prefix: string,
  kvs: readonly KeyValue[],
  n: number,
  written: ReadonlyMap<number, DoneInterval>,
): string | null {
  let covered = 0;
  for (const { key, value } of kvs) {
    const at = keys.parse(key);
    const known = at?.of === "done" ? written.get(at.start) : undefined;
    const isOurs = known !== undefined && Buffer.compare(encodeDone(known), value) === 0;
    if (!isOurs || known.start !== covered) {
      return `${key} is not the interval that this owner wrote after [0, ${covered})`;
    }
    covered = known.end;
  }
  return covered === n
    ? null
    : `${prefix} covers [0, ${covered}) of [0, ${n}): a key was deleted, and not by this owner`;
}
