// Writes of a job's record by the owner of its pipeline: under the job fence and the epoch. When one is refused somebody else was
// first (a user's stop, the merge's publish): the record is read anew, and the next step is decided from it.

import type { Compare } from "@sheaf/etcd";
import { type Ownership, put, readRecord, unchanged } from "@sheaf/ledger";
import { state } from "@sheaf/proto";
import { aborted } from "@sheaf/runtime";
import type { World } from "../context.ts";
import type { Jobs, KeptJob } from "../mirror/jobs.ts";
import { writeGuarded } from "../pipelines/guarded.ts";
import { stateName } from "./states.ts";

export class JobWriter {
  readonly #world: World;
  readonly #jobs: Jobs;
  readonly #ownership: Ownership;

  constructor(world: World, jobs: Jobs, ownership: Ownership) {
    this.#world = world;
    this.#jobs = jobs;
    this.#ownership = ownership;
  }

  /** Afterwards the mirror holds what stands now: this, or what was written first. */
  async write(kept: KeptJob, record: state.JobRecord, more: readonly Compare[] = []): Promise<void> {
    const { etcd, log } = this.#world;
    const stateNow = stateName(record.state);
    const name = `${kept.key} to ${stateNow}`;
    const ops = [put(kept.key, state.JobRecordSchema, record)];
    const outcome = await writeGuarded(etcd, this.#ownership, {
      name,
      compare: [unchanged(kept), ...more],
      ops,
      mark: kept.key,
    });
    if (outcome.kind === "lost") throw aborted("NOT_OWNER", `${name}: the pipeline is not owned any more`);
    if (outcome.kind === "refused") return this.#readAnew(kept.key);
    this.#jobs.mirror.learn({ ...kept, record, modRevision: outcome.revision });
    if (record.state === kept.record.state) return;
    const why = record.reason === "" ? {} : { reason: record.reason, why: record.message };
    log.info({ key: kept.key, state: stateNow, ...why }, "job goes on");
  }

  async #readAnew(key: string): Promise<void> {
    const now = await this.#world.etcd.get(key);
    if (now === null) throw aborted("JOB_DELETED", `${key} was deleted meanwhile`);
    this.#jobs.mirror.learn(readRecord(state.JobRecordSchema, now));
  }
}
