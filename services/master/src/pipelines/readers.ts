// Which pipelines read or write a repo. A pipeline is created in a transaction that puts its input repos' records again, so
// whoever read a repo's record before it looked here, and compares it in its own transaction, decides on a list that is whole.

import type { Etcd, Keys } from "@sheaf/etcd";
import { readRecord } from "@sheaf/ledger";
import { state } from "@sheaf/proto";
import type { Store } from "@sheaf/storage";
import { inputsOf, specOf } from "./spec.ts";

/** Names of the pipelines that read the repo. */
export async function readersOf(world: { etcd: Etcd; keys: Keys; store: Store }, repo: string): Promise<string[]> {
  const { kvs } = await world.etcd.list(world.keys.pipelines());
  const readers: string[] = [];
  for (const kv of kvs) {
    const parsed = world.keys.parse(kv.key);
    const spec = await specOf(world.store, readRecord(state.PipelineRecordSchema, kv).record);
    if (parsed?.of === "pipeline" && inputsOf(spec).some((input) => input.repo === repo)) readers.push(parsed.pipeline);
  }
  return readers;
}
