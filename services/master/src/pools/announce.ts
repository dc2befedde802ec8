// Says in etcd that workers are about to be started, before they are: whoever takes the pipeline in the moment in which they have no
// session yet expects them, and starts nobody twice (P5 of decide.ts). One transaction for several, under the epoch of the pipeline:
// what was not said by its owner is not started.

import { create } from "@bufbuild/protobuf";
import type { Compare } from "@sheaf/etcd";
import { writeRecord } from "@sheaf/ledger";
import { state } from "@sheaf/proto";
import { unavailable } from "@sheaf/runtime";
import type { World } from "../context.ts";

/** As long as a worker may take to come. Its session then puts the key under a lease of its own. */
const TTL_SECONDS = 20;

export interface AnnounceDeps {
  readonly world: World;
  /** Holds while this master owns the pipeline; undefined: it does not. */
  readonly guard: (pipeline: string) => readonly Compare[] | undefined;
}

/** Throws UNAVAILABLE unless it is certain that it was said. */
export async function announce(
  { world, guard }: AnnounceDeps,
  pipeline: string,
  ids: readonly string[],
): Promise<void> {
  const { etcd, keys } = world;
  const lease = await etcd.grantLease(TTL_SECONDS);
  lease.stop();
  const record = create(state.WorkerRecordSchema, { version: 1, starting: true });
  const value = writeRecord(state.WorkerRecordSchema, record);
  const then = ids.map((id) => ({ put: keys.worker(pipeline, id), value, lease: lease.id }));
  const compare = guard(pipeline);
  const outcome = compare === undefined ? undefined : await etcd.txn({ compare: [...compare], then });
  if (outcome?.kind === "applied") return;
  const why = outcome === undefined || outcome.kind === "refused" ? "it changes hands" : `etcd: ${outcome.kind}`;
  throw unavailable("NOT_ANNOUNCED", `pipeline "${pipeline}" gets no workers now: ${why}; trying again`);
}
