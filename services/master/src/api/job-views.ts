// Jobs as users see them: the record, what the owner knows beyond it, and who works on it.

import { type Dispatcher, sumTotals } from "@sheaf/ledger";
import { api, type dispatch, type state } from "@sheaf/proto";
import type { World } from "../context.ts";
import { readDones } from "../jobs/archive.ts";
import type { Mirror } from "../mirror/mirror.ts";
import type { Owners } from "../pipelines/owners.ts";
import { jobView } from "./views.ts";
import { waitingFor } from "./waiting-for.ts";
import { orSeenWhenSilent } from "./when-silent.ts";

export interface JobViewsDeps {
  readonly world: World;
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

  /**
   * What is committed, when no owner here counts it: a pipeline that goes from one master to another has none for some seconds, and what
   * was done must not seem undone. Undefined: it is known without.
   */
  async committed(pipeline: string, id: string, record: state.JobRecord): Promise<dispatch.Totals | undefined> {
    const { world, owners } = this.#deps;
    const isCounted = record.totals !== undefined || owners.live(pipeline, id)?.process !== undefined;
    if (record.state !== api.JobState.PROCESSING || isCounted) return undefined;
    const reading = readDones(world, id, "process").then((dones) => sumTotals(dones.map(({ done }) => done?.totals)));
    return orSeenWhenSilent(world, reading, undefined);
  }

  /** `committed`: as it was when the caller asked. */
  view(pipeline: string, id: string, record: state.JobRecord, committed?: dispatch.Totals): api.Job {
    const { world, owners, dispatcher, mergers, poolDoing } = this.#deps;
    const live = owners.live(pipeline, id);
    const workers = dispatcher.workers(pipeline).length;
    const owner = owners.owns(pipeline) ? (live?.waitingFor ?? "") : undefined;
    const waiting = {
      state: record.state,
      etcd: world.etcd.trouble(),
      owner,
      workers,
      pool: poolDoing(pipeline),
      mergers: mergers.size,
    };
    return jobView(record, { pipeline, id, workers, live, committed, waitingFor: waitingFor(waiting) });
  }
}
