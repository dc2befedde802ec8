import { create } from "@bufbuild/protobuf";
import { getMessage, planMerge, putMessage } from "@sheaf/files";
import { type state, store } from "@sheaf/proto";
import { internal } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";

/** Bounds of a shard, in unpacked bytes. */
export interface ShardSize {
  readonly shardBytesMin: number;
  readonly shardBytes: number;
}

/** Cuts the output of a job, once, and stores what the workers need: the job's own input, its plan, and what to merge. */
export async function layOut(
  source: Store,
  record: state.JobRecord,
  workers: number,
  size: ShardSize,
): Promise<{ n: number; input: store.ObjectRef }> {
  const runs = there(record.runs, "run list");
  const list = await getMessage(source, store.RunListSchema, runs);
  const cuts = await planMerge(source, list.runs, Math.max(1, workers), size);
  const input = await getMessage(source, store.WorkInputSchema, there(record.input, "input"));
  input.plan = there(record.plan, "plan");
  input.merge = create(store.MergeInputSchema, {
    runs,
    cuts: await putMessage(source, "cuts", store.CutsSchema, cuts),
  });
  const ref = await putMessage(source, "work", store.WorkInputSchema, input);
  return { n: cuts.points.length + 1, input: ref };
}

function there<T>(value: T | undefined, what: string): T {
  if (value !== undefined) return value;
  throw internal("RECORD_BROKEN", `a job that is merging names no ${what}`);
}
