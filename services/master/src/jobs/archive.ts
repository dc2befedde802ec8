// The ledgers of a job that has ended, in one object. It is written before the ledgers are deleted: from then on lists of
// datums and later jobs read it instead of etcd.

import { create } from "@bufbuild/protobuf";
import type { LedgerKind } from "@sheaf/etcd";
import { getMessage, putMessage } from "@sheaf/files";
import { readRecord } from "@sheaf/ledger";
import { state, type store } from "@sheaf/proto";
import type { World } from "../context.ts";

/** Done intervals of a ledger as they stand in etcd, in order. */
export async function readDones(
  { etcd, keys }: World,
  job: string,
  kind: LedgerKind,
): Promise<state.ArchivedInterval[]> {
  const { kvs } = await etcd.list(keys.dones(job, kind));
  return kvs.flatMap((kv) => {
    const parsed = keys.parse(kv.key);
    if (parsed?.of !== "done") return [];
    const done = readRecord(state.DoneRecordSchema, kv).record;
    return [create(state.ArchivedIntervalSchema, { start: BigInt(parsed.start), done })];
  });
}

export interface Archived {
  readonly ref: store.ObjectRef;
  readonly archive: state.LedgerArchive;
}

/** Stores the archive of a job. Done twice it is the same object, because nobody writes the ledgers of a job that is over. */
export async function putArchive(world: World, job: string): Promise<Archived> {
  const [process, merge] = await Promise.all([readDones(world, job, "process"), readDones(world, job, "merge")]);
  const archive = create(state.LedgerArchiveSchema, { version: 1, process, merge });
  return { ref: await putMessage(world.store, "archives", state.LedgerArchiveSchema, archive), archive };
}

export function readArchive(source: World["store"], ref: store.ObjectRef): Promise<state.LedgerArchive> {
  return getMessage(source, state.LedgerArchiveSchema, ref);
}
