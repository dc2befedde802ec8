/** The range of the output key space that one shard merges: which files are its own, and which part of a summed path. */
import type { store } from "@sheaf/proto";
import { utf8 } from "../bytes.ts";
import { comparePaths } from "../path.ts";
import type { KeyRange } from "../table/table-reader.ts";

/** From a cut point (or the begin) up to the next (or the end). */
export interface ShardRange {
  readonly from: store.CutPoint | undefined;
  readonly to: store.CutPoint | undefined;
}

/**
 * The paths that begin in the shard, as keys of a `files` section. A point with a key lies behind the begin of its path, so
 * the path then begins before the point.
 */
export function filesIn({ from, to }: ShardRange): KeyRange {
  return { from: from && utf8(beginAfter(from)), to: to && utf8(beginAfter(to)) };
}

/** The part of a summed path that is the shard's: its range of keys, and whether the path begins here. */
export interface SumPart {
  readonly keys: KeyRange;
  readonly begins: boolean;
}

/** Undefined when the shard has no part of the path. */
export function sumPartIn({ from, to }: ShardRange, path: string): SumPart | undefined {
  const afterFrom = from === undefined ? 1 : comparePaths(path, from.path);
  const beforeTo = to === undefined ? 1 : comparePaths(to.path, path);
  if (afterFrom < 0 || beforeTo < 0 || (beforeTo === 0 && to?.key.length === 0)) return undefined;
  const keyFrom = afterFrom === 0 && from !== undefined && from.key.length > 0 ? from.key : undefined;
  const keyTo = beforeTo === 0 ? to?.key : undefined;
  return { keys: { from: keyFrom, to: keyTo }, begins: keyFrom === undefined };
}

function beginAfter(point: store.CutPoint): string {
  // No path sorts between a path and the same with a zero byte.
  return point.key.length > 0 ? `${point.path}\0` : point.path;
}
