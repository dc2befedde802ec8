// What the benchmarks of whole jobs ask the public API.

import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import { TestCluster } from "../kit/cluster.ts";
import { assertSucceeded, waitJob } from "../kit/pipelines.ts";

/** Runs `work` on a cluster of its own, with an etcd that syncs. */
export async function onCluster<T>(work: (cluster: TestCluster, connection: Connection) => Promise<T>): Promise<T> {
  const cluster = await TestCluster.start({}, true);
  const connection = cluster.connection();
  try {
    return await work(cluster, connection);
  } finally {
    connection.close();
    await cluster.stop();
  }
}

/** Waits for a job; `seconds`: from its first claim to the moment when all its datums are committed. */
export async function processed(connection: Connection, pipeline: string): Promise<{ seconds: number; job: api.Job }> {
  const first = await waitJob(connection, pipeline, ({ started }) => started !== undefined);
  const begun = performance.now();
  const sinceStart = Date.now() - Number(first.started?.seconds ?? 0n) * 1_000 - (first.started?.nanos ?? 0) / 1e6;
  await waitJob(connection, pipeline, ({ state }) => state >= api.JobState.MERGING);
  const seconds = (performance.now() - begun + sinceStart) / 1_000;
  const job = await waitJob(connection, pipeline);
  assertSucceeded(job);
  return { seconds, job };
}

export interface DatumTime {
  readonly worker: string;
  /** Of its command. */
  readonly ms: number;
}

/** All datums of the newest job, in order. */
export async function allDatums(connection: Connection, pipeline: string): Promise<DatumTime[]> {
  const all: DatumTime[] = [];
  let pageToken = "";
  do {
    const page = { size: 500, token: pageToken };
    const answer = await connection.client(api.DatumService).listDatums({ pipeline, page });
    for (const { worker, stats } of answer.datums) all.push({ worker, ms: durationMs(stats?.processTime as Duration) });
    pageToken = answer.nextPageToken;
  } while (pageToken !== "");
  return all;
}
