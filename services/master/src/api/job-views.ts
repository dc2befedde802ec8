// Jobs as users see them: the record, what the owner knows beyond it, and who works on it.

import type { Etcd } from "@sheaf/etcd";
import type { Dispatcher } from "@sheaf/ledger";
import type { api, state } from "@sheaf/proto";
import type { Mirror } from "../mirror/mirror.ts";
import type { Owners } from "../pipelines/owners.ts";
import { jobView } from "./views.ts";
import { waitingFor } from "./waiting-for.ts";

export interface JobViewsDeps {
  readonly etcd: Pick<Etcd, "trouble">;
  readonly owners: Owners;
  readonly dispatcher: Pick<Dispatcher, "workers">;
  readonly mergers: Mirror<state.ReplicaRecord>;
  /** What the pool of a pipeline is doing, for people; empty when all its workers are there. */
  readonly poolDoing: (pipeline: string) => string;
}

export class JobViews {
  readonly #deps: JobViewsDeps;

  constructor(deps: JobViewsDeps) {
    this.#deps = deps;
  }

  view(pipeline: string, id: string, record: state.JobRecord): api.Job {
    const { etcd, owners, dispatcher, mergers, poolDoing } = this.#deps;
    const live = owners.live(pipeline, id);
    const workers = dispatcher.workers(pipeline).length;
    const owner = owners.owns(pipeline) ? (live?.waitingFor ?? "") : undefined;
    const waiting = {
      state: record.state,
      etcd: etcd.trouble(),
      owner,
      workers,
      pool: poolDoing(pipeline),
      mergers: mergers.size,
    };
    return jobView(record, { pipeline, id, workers, live, waitingFor: waitingFor(waiting) });
  }
}
