/** Where a simulated worker works: runs indexes, cuts runs, and stores them before it says so. */
import { create } from "@bufbuild/protobuf";
import { store } from "@sheaf/proto";
import type { Faults } from "./faults.ts";
import type { Process } from "./process.ts";
import { type SimStore, WORK_KIND } from "./sim-store.ts";
import { TRIES, type Truth } from "./truth.ts";
import type { Cut, WorkerClaim } from "./worker-claim.ts";

export interface BenchParts {
  readonly process: Process;
  readonly faults: Faults;
  readonly store: SimStore;
  readonly truth: Truth;
  readonly slots: number;
  /** How much slower than usual. */
  readonly slowness: number;
}

export interface BenchEvents {
  /** Whether the claim, or the backup, is held still. */
  readonly holds: (claim: WorkerClaim) => boolean;
  /** A try has failed, and others follow. */
  readonly onTryFailed: (claim: WorkerClaim, index: number, tries: number) => void;
  /** An index has its outcome. */
  readonly onFinished: () => void;
  /** A run is durable. */
  readonly onStored: (claim: WorkerClaim, cut: Cut) => void;
}

export class Bench {
  readonly #parts: BenchParts;
  readonly #events: BenchEvents;
  #running = 0;
  #attempts = 0;

  constructor(parts: BenchParts, events: BenchEvents) {
    this.#parts = parts;
    this.#events = events;
  }

  /** Begins what its slots have room for. */
  run(claim: WorkerClaim): void {
    while (this.#running < this.#parts.slots) {
      const index = claim.start();
      if (index === undefined) return;
      this.#running++;
      this.#try(claim, index);
    }
  }

  /** Cuts what is due, and now and then what is not. */
  cutDue(claim: WorkerClaim, cutMs: number): void {
    const { faults, process } = this.#parts;
    const now = process.clock.now();
    while (claim.ready > claim.cutFrom && (claim.mustCut || now - claim.workSince >= cutMs || faults.chance(0.1))) {
      const cut = claim.cut(this.newAttempt(), now);
      if (cut === null) return;
      this.build(claim, [cut]);
    }
  }

  build(claim: WorkerClaim, cuts: readonly Cut[]): void {
    const { faults, process } = this.#parts;
    for (const cut of cuts) {
      cut.isStored = false;
      const ms = faults.strikes("upload-fails", 3) ? faults.between(500, 3_000) : faults.between(0.5, 20);
      process.clock.timer(ms, () => {
        if (!claim.cuts.includes(cut)) return;
        this.store(claim, cut, true);
        cut.isStored = true;
        this.#events.onStored(claim, cut);
      });
    }
  }

  /** Puts a run of this interval into the store; `isWhole`: with all that it refers to. */
  store(claim: WorkerClaim, { from, to, attempt }: Cut, isWhole: boolean): void {
    const { process, store: runs } = this.#parts;
    const interval = { from: BigInt(from), to: BigInt(to) };
    const named = { job: claim.job, kind: WORK_KIND[claim.kind], attempt, worker: process.name };
    runs.put(attempt, { header: create(store.ResultHeaderSchema, { ...named, ...interval }), isWhole });
  }

  /** The name of the run's object is that of its attempt. */
  newAttempt(): string {
    return `${this.#parts.process.name}-${++this.#attempts}`;
  }

  #try(claim: WorkerClaim, index: number): void {
    const { process, truth, slowness } = this.#parts;
    const { job, kind } = claim;
    claim.running.set(index, process.clock.now());
    const isQuarantined = claim.quarantined.has(index);
    process.clock.timer(isQuarantined ? 0 : truth.ms(job, kind, index) * slowness, () => {
      claim.running.delete(index);
      const isOurs = claim.holds(index) && this.#events.holds(claim);
      if (!isOurs || isQuarantined || !truth.tryFails(job, kind, index))
        return this.#finish(claim, index, isQuarantined);
      const tries = (claim.tries.get(index) ?? 0) + 1;
      claim.tries.set(index, tries);
      if (tries >= TRIES) return this.#finish(claim, index, true);
      this.#events.onTryFailed(claim, index, tries);
      this.#try(claim, index);
    });
  }

  #finish(claim: WorkerClaim, index: number, failed: boolean): void {
    this.#running--;
    claim.finish(index, failed);
    this.#events.onFinished();
  }
}
