/** The begin and the end of a merge, both the merge owner's: where to cut, and what the shards make together. */
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { putManifest } from "../commit/index-writer.ts";
import { messageTableRef, putMessage } from "../object.ts";
import { openTable } from "../table/table-reader.ts";
import { foldConflicts } from "./conflicts.ts";
import { type CutLimits, chooseCuts, shardCount } from "./cuts.ts";
import { mergeBytes, type Sample, samplesOf } from "./samples.ts";
import type { ShardRange } from "./shard-range.ts";

/** Samples of all runs together: some 100 bytes each. */
const SAMPLES_MAX = 200_000;

/** Reads the footers of the runs, one after another, and chooses the cuts. The shards are one more than the points. */
export async function planMerge(
  source: Store,
  runs: readonly store.RunRef[],
  workers: number,
  limits: CutLimits = {},
): Promise<store.Cuts> {
  const perRun = Math.max(2, Math.floor(SAMPLES_MAX / 2 / Math.max(1, runs.length)));
  const samples: Sample[] = [];
  let bytes = 0;
  for (const { table } of runs) {
    if (table === undefined) continue;
    const { footer } = await openTable(source, table, store.RunFooterSchema, 0);
    for (const sample of samplesOf(footer, perRun)) samples.push(sample);
    bytes += mergeBytes(footer);
  }
  const points = chooseCuts(samples, shardCount(bytes, workers, limits));
  return create(store.CutsSchema, { version: 1, points });
}

/** Range of shard i of the cuts: [cut i-1, cut i). */
export function shardRange(cuts: store.Cuts, index: number): ShardRange {
  return { from: cuts.points[index - 1], to: cuts.points[index] };
}

/** Stores the result of a merge claim, one MergedShard per index of the header's interval. */
export async function putMergeResult(
  target: Store,
  header: Omit<store.ResultHeader, "$typeName" | "$unknown" | "kind">,
  shards: readonly store.MergedShard[],
): Promise<store.TableRef> {
  const result = create(store.MergeResultSchema, {
    version: 1,
    header: { ...header, kind: store.WorkKind.MERGE },
    shards: [...shards],
  });
  return messageTableRef(await putMessage(target, "merged", store.MergeResultSchema, result));
}

export type MergeOutcome =
  | {
      readonly kind: "commit";
      readonly ref: store.ObjectRef;
      readonly manifest: store.CommitManifest;
    }
  /** Nothing can be published. At most 100, in path order. */
  | { readonly kind: "conflicts"; readonly conflicts: readonly store.PathConflict[] };

/** Makes the commit of all shards of a job, in order; or says why there is none. */
export async function commitOfShards(target: Store, shards: readonly store.MergedShard[]): Promise<MergeOutcome> {
  const conflicts = foldConflicts(shards);
  if (conflicts.length > 0) return { kind: "conflicts", conflicts };
  const indexes = shards.flatMap((shard) => shard.index ?? []);
  return { kind: "commit", ...(await putManifest(target, indexes)) };
}
