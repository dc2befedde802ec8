import { type Kept, readRecordOrNull } from "@sheaf/ledger";
import { state } from "@sheaf/proto";
import { notFound } from "@sheaf/runtime";
import type { World } from "../context.ts";

/** Reads a pipeline anew. NOT_FOUND. */
export async function findPipeline(
  { etcd, keys }: Pick<World, "etcd" | "keys">,
  name: string,
): Promise<Kept<state.PipelineRecord>> {
  const kept = readRecordOrNull(state.PipelineRecordSchema, await etcd.get(keys.pipeline(name)));
  if (kept === null) throw notFound("PIPELINE_NOT_FOUND", `there is no pipeline "${name}"`);
  return kept;
}
