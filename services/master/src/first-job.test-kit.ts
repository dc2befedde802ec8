// The pipeline "words" over the repo "in", with its first job begun: where most tests of jobs start.

import type { state } from "@sheaf/proto";
import { api } from "@sheaf/proto";
import type { SpecParts, TestCluster, TestMaster } from "./master.test-kit.ts";

/** The files of the first commit, and the datums of the first job. */
export const PATHS = ["/a", "/b", "/c"];

export async function firstJob(
  cluster: TestCluster,
  parts: SpecParts = {},
): Promise<{ readonly master: TestMaster; readonly id: string }> {
  const master = await cluster.master();
  await master.createRepo("in");
  await master.put("in", Object.fromEntries(PATHS.map((path) => [path, path])));
  await master.createPipeline("words", "in", parts);
  const { id } = await master.jobIn("words", api.JobState.PLANNING);
  return { master, id };
}

export function archived(record: state.JobRecord): boolean {
  return record.archive !== undefined;
}

/** Resolves when nothing is left of the job's ledgers: they are deleted right after their archive is named. */
export async function ledgersGone({ world }: TestMaster, job: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const keys = new Set<string>();
  const look = () => {
    if (keys.size === 0) resolve();
  };
  const watch = world.etcd.watch(world.keys.ledgers(job), {
    snapshot: (kvs) => {
      keys.clear();
      for (const { key } of kvs) keys.add(key);
      look();
    },
    events: (events) => {
      for (const event of events) {
        if (event.type === "put") keys.add(event.kv.key);
        else keys.delete(event.key);
      }
      look();
    },
  });
  await promise;
  await watch.close();
}
