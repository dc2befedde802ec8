/**
 * A replica: the real dispatcher and ledgers of libs/ledger, and around them the small part of a master or a merge replica that
 * moves jobs on. Like the real ones it decides from the record and from ledgers that stand in etcd, so that a new owner goes on.
 */

import type { Compare } from "@sheaf/etcd";
import { createDispatcher, type Dispatcher, type Ledger, type LedgerEnd, type Ownership } from "@sheaf/ledger";
import type { Logger } from "@sheaf/runtime";
import { masterStep, mergeStep } from "./job-steps.ts";
import { type JobPlan, PIPELINE, readJob } from "./jobs.ts";
import type { Link } from "./link.ts";
import type { Process } from "./process.ts";
import type { Sim } from "./sim.ts";
import { SimEtcd } from "./sim-etcd.ts";
import { TIMING } from "./timing.ts";
import type { Role } from "./worker-claim.ts";

export interface OpenLedger {
  readonly ledger: Ledger;
  end: LedgerEnd | null;
}

/** What a step of a job works with. */
export interface Term {
  readonly sim: Sim;
  readonly etcd: SimEtcd;
  readonly owner: Ownership;
  readonly process: Process;
  /** By job. */
  readonly ledgers: Map<string, OpenLedger>;
  open(plan: JobPlan, only?: Compare): Promise<void>;
}

/** `again`: look at once; `wait`: until something changes; `rest`: nothing is left to do. */
export type Step = "again" | "wait" | "rest";

/** Pause after a step that failed because etcd did not answer. */
const AGAIN_MS = 150;

export class SimOwner {
  readonly process: Process;
  readonly role: Role;
  readonly etcd: SimEtcd;
  readonly #sim: Sim;
  readonly #plans: readonly JobPlan[];
  readonly #dispatcher: Dispatcher;
  #term: Term | null = null;
  readonly #stop = new AbortController();
  #changed = Promise.withResolvers<void>();

  constructor(sim: Sim, role: Role, process: Process, plans: readonly JobPlan[]) {
    const { world, server, faults, store, keys } = sim;
    this.#sim = sim;
    this.role = role;
    this.process = process;
    this.#plans = plans;
    this.etcd = new SimEtcd({ world, server, faults, onSent: (call) => sim.sent(call), history: sim.history }, process);
    this.#dispatcher = createDispatcher({
      etcd: this.etcd,
      keys,
      clock: process.clock,
      random: process.random,
      log: logOf(sim, process),
      replica: process.name,
      addresses: () => ({ dispatchAddress: process.name, apiAddress: "" }),
      role,
      version: "0.1.0",
      verify: store.verifier(process, faults),
      timing: TIMING,
    });
  }

  /** The ledgers that it has open, while it owns the pipeline. */
  get ledgers(): Iterable<OpenLedger> {
    return this.#term?.ledgers.values() ?? [];
  }

  get owner(): Ownership | null {
    return this.#term?.owner ?? null;
  }

  /** `onFailed`: it could not start, and its process ends. */
  start(onFailed: () => void): void {
    this.process.after(0, () => void this.#dispatcher.start().then(() => this.#run(), onFailed));
  }

  /** A worker calls. */
  accept(link: Link): void {
    this.process.after(0.5, () => {
      // A stream that the dispatcher refuses is over for the worker as well.
      this.#dispatcher.session(link.stream).catch((error) => this.#note(`refuses a stream: ${error}`));
    });
  }

  drainWorker(worker: string): void {
    this.process.after(0, () => this.#dispatcher.drainWorker(PIPELINE, worker));
  }

  /** Whoever started the worker has seen its process end. */
  workerExited(worker: string): void {
    this.process.after(0, () => this.#dispatcher.workerExited(PIPELINE, worker, { isLoss: true }));
  }

  /** SIGTERM: hands over, then ends. */
  stop(onStopped: () => void): void {
    this.process.after(0, () => {
      this.#stop.abort();
      this.#wake();
      void this.#dispatcher.stop().then(onStopped);
    });
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        const owner = await this.#dispatcher.own(PIPELINE, this.#stop.signal);
        if (!this.#stop.signal.aborted) await this.#own(owner);
      } catch (error) {
        this.#note(`cannot own: ${error}`);
        await this.#pause();
      }
    }
  }

  async #own(owner: Ownership): Promise<void> {
    const term = this.#newTerm(owner);
    this.#term = term;
    this.#note(`owns with epoch ${owner.epoch()}`);
    let isTermOver = false;
    const over = () => {
      isTermOver = true;
      this.#wake();
    };
    void owner.recalled.then(over); // another replica shall have it
    void owner.lost.then(() => {
      this.#term = null;
      over();
    });
    const watch = this.etcd.watch(this.#sim.keys.jobs(PIPELINE), {
      snapshot: () => this.#wake(),
      events: () => this.#wake(),
    });
    const isOver = () => isTermOver || this.#stop.signal.aborted;
    // Every live ledger is open before workers are accepted, so that what they show can be adopted.
    const looked = this.#plans.map(() => Promise.withResolvers<void>());
    const jobs = this.#plans.map((plan, i) => this.#goOn(term, plan, isOver, () => looked[i]?.resolve()));
    await Promise.all(looked.map(({ promise }) => promise));
    owner.serve();
    await Promise.all(jobs);
    await Promise.race([owner.lost, owner.recalled]);
    await watch.close();
    await this.#dispatcher.release(PIPELINE);
  }

  async #goOn(term: Term, plan: JobPlan, isOver: () => boolean, looked: () => void): Promise<void> {
    while (!isOver()) {
      const changed = this.#changed.promise;
      const step = await this.#step(term, plan);
      if (step !== "again") looked();
      if (step === "rest") return;
      if (step === "wait" && !isOver()) await changed;
    }
    looked();
  }

  async #step(term: Term, plan: JobPlan): Promise<Step> {
    try {
      const kept = await readJob(this.etcd, this.#sim.keys.job(PIPELINE, plan.id));
      const before = this.#plans[this.#plans.indexOf(plan) - 1];
      const beforeKept = before && (await readJob(this.etcd, this.#sim.keys.job(PIPELINE, before.id)));
      const step = this.role === "master" ? masterStep : mergeStep;
      return await step(term, plan, kept, beforeKept?.record.state ?? null);
    } catch (error) {
      this.#note(`a step of ${plan.id} failed: ${error}`);
      await this.#pause();
      return "again";
    }
  }

  #newTerm(owner: Ownership): Term {
    const ledgers = new Map<string, OpenLedger>();
    const open = async (plan: JobPlan, only?: Compare) => {
      const kind = this.role === "master" ? "process" : "merge";
      const n = kind === "process" ? plan.datums : plan.shards;
      const ledger = await owner.openLedger(
        { pipeline: PIPELINE, job: plan.id, kind },
        {
          ...{ n, input: INPUT, order: plan.id },
          ...{ giveUpAfterFailed: plan.giveUpAfterFailed, speculation: plan.speculation },
          ...(only === undefined ? {} : { only }),
        },
      );
      const opened: OpenLedger = { ledger, end: null };
      ledgers.set(plan.id, opened);
      void ledger.end.then((end) => {
        opened.end = end;
        this.#note(
          `ledger ${plan.id}/${kind} ended: ${end.kind}${end.kind === "inconsistent" ? ` ${end.message}` : ""}`,
        );
        this.#wake();
      });
    };
    return { sim: this.#sim, etcd: this.etcd, owner, process: this.process, ledgers, open };
  }

  #pause(): Promise<void> {
    return this.process.clock.sleep(AGAIN_MS, this.#stop.signal).catch(() => {}); // it stops
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #note(line: string): void {
    this.#sim.history.note(this.process.name, () => line);
  }
}

const INPUT = { $typeName: "sheaf.store.v1.ObjectRef", key: "work/1", size: 1n } as const;

/** What the product logs is part of the told history. */
function logOf(sim: Sim, process: Process): Logger {
  const say = (fields: object, text: string) =>
    sim.history.note(process.name, () => {
      const told = Object.entries(fields).map(
        ([name, value]) => `${name}=${value instanceof Error ? value.message : String(value)}`,
      );
      return `log: ${text} ${told.join(" ")}`;
    });
  const log = { debug() {}, trace() {}, info: say, warn: say, error: say, fatal: say, child: () => log };
  return log as unknown as Logger;
}
