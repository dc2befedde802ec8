import { clone, create } from "@bufbuild/protobuf";
import { api } from "@sheaf/proto";
import { TRIES_DEFAULT } from "./limits.ts";

/**
 * The spec with every default written out, so that what runs is what a user sees, also after a default changes. `workers`: of
 * a pipeline that says nothing about its parallelism.
 */
export function withDefaults(given: api.PipelineSpec, workers: number): api.PipelineSpec {
  const spec = clone(api.PipelineSpecSchema, given);
  spec.parallelismSpec ??= create(api.ParallelismSpecSchema, { constant: BigInt(workers) });
  spec.autoscaling ||= spec.standby;
  spec.standby = false;
  spec.merge ??= create(api.MergeSpecSchema);
  if (spec.merge.strategy === api.MergeStrategy.UNSPECIFIED) spec.merge.strategy = api.MergeStrategy.CONCAT;
  spec.outputBranch ||= DEFAULT_BRANCH;
  spec.datumTries ||= TRIES_DEFAULT;
  if (spec.transform !== undefined) spec.transform.slots ||= 1;
  const pfs = spec.input?.pfs;
  if (pfs !== undefined) {
    pfs.branch ||= DEFAULT_BRANCH;
    pfs.name ||= pfs.repo;
  }
  return spec;
}

/** The branch that is meant when none is named. */
export const DEFAULT_BRANCH = "master";
