import { state } from "@sheaf/proto";
import { type Component, Lifecycle } from "@sheaf/runtime";
import type { World } from "../context.ts";
import { Jobs } from "./jobs.ts";
import { Mirror } from "./mirror.ts";

/** Everything that a master keeps a copy of. */
export class Mirrors implements Component {
  readonly pipelines: Mirror<state.PipelineRecord>;
  readonly heads: Mirror<state.HeadRecord>;
  readonly masters: Mirror<state.ReplicaRecord>;
  readonly mergers: Mirror<state.ReplicaRecord>;
  readonly jobs: Jobs;
  readonly #all: Lifecycle;

  constructor(world: World) {
    const { etcd, keys, log } = world;
    this.pipelines = new Mirror({
      etcd,
      log,
      prefix: keys.pipelines(),
      schema: state.PipelineRecordSchema,
    });
    this.heads = new Mirror({ etcd, log, prefix: keys.allHeads(), schema: state.HeadRecordSchema });
    this.masters = new Mirror({
      etcd,
      log,
      prefix: keys.masters(),
      schema: state.ReplicaRecordSchema,
    });
    this.mergers = new Mirror({
      etcd,
      log,
      prefix: keys.mergers(),
      schema: state.ReplicaRecordSchema,
    });
    this.jobs = new Jobs(world);
    this.#all = new Lifecycle([this.pipelines, this.heads, this.masters, this.mergers, this.jobs]);
  }

  start(): Promise<void> {
    return this.#all.start();
  }

  stop(): Promise<void> {
    return this.#all.stop();
  }

  /** Where workers find the replicas of one kind. */
  static dispatchAddresses(replicas: Mirror<state.ReplicaRecord>): string[] {
    return [...replicas.values()].map(({ record }) => record.dispatchAddress);
  }
}
