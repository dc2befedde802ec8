import { create } from "@bufbuild/protobuf";
import { getMessage, putMessage } from "@sheaf/files";
import { type api, type state, store } from "@sheaf/proto";
import { dataLoss } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";

/** A spec above this is an object: the record must stay below etcd's 8 KiB with all that stands beside it. */
export const SPEC_INLINE_BYTES_MAX = 6 * 1024;

/** Stores a big spec: a WorkInput with only the spec set. */
export function putSpec(target: Store, spec: api.PipelineSpec): Promise<store.ObjectRef> {
  return putMessage(target, "work", store.WorkInputSchema, create(store.WorkInputSchema, { version: 1, spec }));
}

/** The spec of a pipeline, wherever it lies. */
export async function specOf(source: Store, record: state.PipelineRecord): Promise<api.PipelineSpec> {
  if (record.spec !== undefined) return record.spec;
  const ref = record.specObject;
  const spec = ref === undefined ? undefined : (await getMessage(source, store.WorkInputSchema, ref)).spec;
  if (spec === undefined) throw dataLoss("REFERENCE_INVALID", "the pipeline's record names no spec");
  return spec;
}

/** A branch that a pipeline reads. */
export interface InputBranch {
  readonly name: string;
  readonly repo: string;
  readonly branch: string;
}

/** The branches that a spec reads, in its order. */
export function inputsOf(spec: api.PipelineSpec): InputBranch[] {
  const pfs = spec.input?.pfs;
  return pfs === undefined ? [] : [{ name: pfs.name, repo: pfs.repo, branch: pfs.branch }];
}
