// What the specs of pipelines say of their workers. A big spec is an object in the store: it is read beside the loop, which goes on with
// what it knew.

import type { Kept } from "@sheaf/ledger";
import type { api, state } from "@sheaf/proto";
import type { WorkerNeeds } from "@sheaf/provision";
import { messageOf } from "@sheaf/runtime";
import type { World } from "../context.ts";
import { specOf } from "../pipelines/spec.ts";
import { needsOf } from "./needs.ts";

export interface PoolSpec {
  readonly parallelism: api.ParallelismSpec | undefined;
  readonly autoscaling: boolean;
  readonly slots: number;
  readonly needs: WorkerNeeds;
}

interface Entry {
  readonly modRevision: bigint;
  readonly spec: PoolSpec | undefined;
  /** One that cannot be read is not tried before this; milliseconds of the clock. */
  readonly againMs: number;
}

const READ_AGAIN_MS = 5_000;
/** No record has it: what is known is older than the record, or nothing. */
const UNREAD = -1n;

export class PoolSpecs {
  readonly #world: World;
  /** There is something to look at. */
  readonly #wake: () => void;
  readonly #entries = new Map<string, Entry>();
  readonly #reading = new Set<string>();

  constructor(world: World, wake: () => void) {
    this.#world = world;
    this.#wake = wake;
  }

  /** Undefined: not read yet, or it cannot be read. Then look again in a while, or when woken. */
  of(kept: Kept<state.PipelineRecord>): PoolSpec | undefined {
    const { key, modRevision, record } = kept;
    const known = this.#entries.get(key);
    if (known?.modRevision === modRevision && known.spec !== undefined) return known.spec;
    if (record.spec !== undefined) {
      const spec = poolSpecOf(record.spec);
      this.#entries.set(key, { modRevision, spec, againMs: 0 });
      return spec;
    }
    const waits = this.#world.clock.now() < (known?.againMs ?? 0);
    if (!waits && !this.#reading.has(key)) void this.#read(kept);
    return known?.spec;
  }

  forget(key: string): void {
    this.#entries.delete(key);
  }

  async #read({ key, modRevision, record }: Kept<state.PipelineRecord>): Promise<void> {
    const { store, clock, log } = this.#world;
    this.#reading.add(key);
    try {
      const spec = poolSpecOf(await specOf(store, record));
      this.#entries.set(key, { modRevision, spec, againMs: 0 });
      this.#wake();
    } catch (error) {
      log.warn({ err: error, key }, `cannot read the spec of a pipeline: ${messageOf(error)}; trying again`);
      const spec = this.#entries.get(key)?.spec; // of an older revision
      this.#entries.set(key, { modRevision: UNREAD, spec, againMs: clock.now() + READ_AGAIN_MS });
    } finally {
      this.#reading.delete(key);
    }
  }
}

function poolSpecOf(spec: api.PipelineSpec): PoolSpec {
  const { parallelismSpec: parallelism, autoscaling, transform } = spec;
  // A spec of before there were slots has 0.
  return { parallelism, autoscaling, slots: transform?.slots || 1, needs: needsOf(spec) };
}
