import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { putMessage } from "@sheaf/files";
import type { DoneInterval } from "@sheaf/ledger";
import { store } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";

export function runListOf(runs: MessageInitShape<typeof store.RunRefSchema>[]): store.RunList {
  return create(store.RunListSchema, { version: 1, runs });
}

/** Stores the ordered run list of a complete process ledger: all that the merge reads of it. */
export function putRunList(target: Store, done: readonly DoneInterval[]): Promise<store.ObjectRef> {
  const runs = done.map(({ start, end, result }) => ({ from: BigInt(start), to: BigInt(end), table: result }));
  return putMessage(target, "runlists", store.RunListSchema, runListOf(runs));
}
