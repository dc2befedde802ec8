/** The services of the public API, call by call. */
import { api } from "@sheaf/proto";
import type { Client, Connection } from "@sheaf/rpc";
import type { Clock, Random } from "@sheaf/runtime";

export interface SheafRpc {
  readonly repo: Client<typeof api.RepoService>;
  readonly file: Client<typeof api.FileService>;
  readonly pipeline: Client<typeof api.PipelineService>;
  readonly job: Client<typeof api.JobService>;
  readonly datum: Client<typeof api.DatumService>;
  readonly cluster: Client<typeof api.ClusterService>;
}

/** "repo@ref": the repo, and a branch or the id of a commit (default: branch "master"). */
export interface CommitName {
  readonly repo: string;
  readonly ref?: string;
}

/** What everything that is made of several calls works with. */
export interface Caller {
  readonly rpc: SheafRpc;
  readonly clock: Clock;
  readonly random: Random;
  readonly sha256: () => Sha256;
}

/** A hash under way: Node has one that is much faster, browsers have none that takes its input in pieces. */
export interface Sha256 {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
}

export function servicesOf(connection: Connection): SheafRpc {
  return {
    repo: connection.client(api.RepoService),
    file: connection.client(api.FileService),
    pipeline: connection.client(api.PipelineService),
    job: connection.client(api.JobService),
    datum: connection.client(api.DatumService),
    cluster: connection.client(api.ClusterService),
  };
}
