import { clone } from "@bufbuild/protobuf";
import { getMessage, putMessage } from "@sheaf/files";
import { type state, store } from "@sheaf/proto";
import { dataLoss } from "@sheaf/runtime";
import type { Store } from "@sheaf/storage";

/** The pinned spec and inputs of a job: what its plan ledger works from. */
export function readPlanInput(source: Store, record: state.JobRecord): Promise<store.WorkInput> {
  if (record.input === undefined) throw dataLoss("REFERENCE_INVALID", "the job's record names no pinned input");
  return getMessage(source, store.WorkInputSchema, record.input);
}

/** What the process ledger works from: the same, with the plan. The same job gives the same object. */
export function putProcessInput(
  target: Store,
  planned: store.WorkInput,
  plan: store.ObjectRef,
): Promise<store.ObjectRef> {
  const input = clone(store.WorkInputSchema, planned);
  input.plan = plan;
  return putMessage(target, "work", store.WorkInputSchema, input);
}
