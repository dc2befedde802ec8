/** The processes of a history: as many replicas and workers as there should be; who dies is replaced by a new incarnation. */
import { LedgerChecks } from "./checks/ledger-checks.ts";
import { workerChecks } from "./checks/worker-checks.ts";
import type { JobPlan } from "./jobs.ts";
import { Link, type WorkerEnd } from "./link.ts";
import { Process } from "./process.ts";
import type { Sim } from "./sim.ts";
import { SimOwner } from "./sim-owner.ts";
import { SimWorker } from "./sim-worker.ts";
import { SLOWNESS_MAX } from "./truth.ts";
import type { Role } from "./worker-claim.ts";

export interface Shape {
  readonly replicas: Readonly<Record<Role, number>>;
  readonly workers: number;
  readonly plans: readonly JobPlan[];
}

/** What was waiting when a replica stopped has noticed by then. */
const SETTLED_MS = 16_000;

export class Cluster {
  readonly sim: Sim;
  readonly shape: Shape;
  readonly ledgers: LedgerChecks;
  readonly owners = new Set<SimOwner>();
  readonly workers = new Set<SimWorker>();
  readonly #stopping = new Set<SimOwner>();
  readonly #links = new Set<Link>();
  #born = 0;
  /** Nobody is replaced any more. */
  #ends = false;

  constructor(sim: Sim, shape: Shape) {
    this.sim = sim;
    this.shape = shape;
    this.ledgers = new LedgerChecks(sim);
  }

  start(): void {
    for (const role of ["master", "merge"] as const) {
      for (let i = 0; i < this.shape.replicas[role]; i++) this.#bearOwner(role);
    }
    for (let i = 0; i < this.shape.workers; i++) this.#bearWorker();
  }

  crashOwner(owner: SimOwner): void {
    this.#note(owner.process, "crashes");
    this.#bury(owner);
  }

  /** SIGTERM: it hands over and ends. */
  stopOwner(owner: SimOwner): void {
    if (this.#stopping.has(owner)) return;
    this.#stopping.add(owner);
    this.#note(owner.process, "is stopped");
    owner.stop(() => {
      this.owners.delete(owner);
      this.sim.world.after(SETTLED_MS, null, () => this.#ended(owner));
    });
  }

  /** I8: whoever has handed over leaves nothing behind. */
  #ended(owner: SimOwner): void {
    const { name, timers, isAlive } = owner.process;
    if (isAlive && timers > 0) this.sim.violated("I8", `${name} has stopped, and left ${timers} timers`);
    this.#bury(owner);
  }

  crashWorker(worker: SimWorker): void {
    this.#note(worker.process, "crashes");
    this.sim.truth.absent(worker.id);
    if (this.sim.faults.chance(0.3)) for (const owner of this.owners) owner.workerExited(worker.id);
    this.#gone(worker);
  }

  pause(process: Process, ms: number, timersFirst: boolean): void {
    if (!process.isAlive || process.isPaused) return;
    this.#note(process, `is paused for ${ms.toFixed(0)} ms`);
    process.pause();
    this.sim.truth.absent(process.name);
    this.sim.world.after(ms, null, () => {
      if (!process.isPaused) return;
      this.#note(process, "goes on");
      process.resume(timersFirst);
    });
  }

  /** All that is paused goes on. */
  resumeAll(): void {
    for (const { process } of [...this.owners, ...this.workers]) process.resume(true);
  }

  /** A clean end: workers leave, then replicas. */
  end(): void {
    this.#ends = true;
    for (const worker of [...this.workers]) worker.drain();
    this.sim.world.after(2_000, null, () => {
      for (const owner of [...this.owners]) this.stopOwner(owner);
    });
  }

  get openLinks(): number {
    return [...this.#links].filter((link) => !link.isOver).length;
  }

  #bearOwner(role: Role): void {
    if (this.#ends) return;
    const { sim } = this;
    const process = this.#process(`${role}-${++this.#born}`, true);
    const owner = new SimOwner(sim, role, process, this.shape.plans);
    sim.owners.add(process, role, () => owner.owner !== null);
    this.owners.add(owner);
    owner.start(() => {
      this.#note(process, "could not start");
      if (process.isAlive) this.#bury(owner);
    });
  }

  #bury(owner: SimOwner): void {
    owner.process.crash();
    this.owners.delete(owner);
    this.sim.world.after(this.sim.faults.between(50, 3_000), null, () => this.#bearOwner(owner.role));
  }

  #bearWorker(): void {
    if (this.#ends) return;
    const { faults, store, truth } = this.sim;
    const process = this.#process(`worker-${++this.#born}`, false);
    const worker: SimWorker = new SimWorker({
      process,
      faults,
      store,
      truth,
      connect: (role, end, address) => this.#connect(role, end, address),
      slots: 1 + this.sim.random.int(2),
      slowness: faults.has("slow-worker") && faults.chance(0.4) ? SLOWNESS_MAX : 1,
      onLeft: () => {
        this.#note(process, "has left");
        process.after(100, () => this.#gone(worker));
      },
      checks: workerChecks(this.sim, this.ledgers, process.name),
    });
    this.workers.add(worker);
  }

  #gone(worker: SimWorker): void {
    worker.process.crash();
    this.workers.delete(worker);
    this.sim.world.after(this.sim.faults.between(50, 2_000), null, () => this.#bearWorker());
  }

  /** To the replica at an address; without one, to any: some of them do not own the pipeline, some are gone. */
  #connect(role: Role, end: WorkerEnd, address: string): Link | null {
    const { faults, history } = this.sim;
    const all = [...this.owners].filter((one) => one.role === role);
    const owner = address === "" ? faults.pick(all) : all.find(({ process }) => process.name === address);
    if (owner === undefined) return null;
    const link = new Link(end, owner.process, faults, history);
    for (const old of this.#links) if (old.isOver) this.#links.delete(old);
    this.#links.add(link);
    owner.accept(link);
    return link;
  }

  #process(name: string, hasPromises: boolean): Process {
    const { sim } = this;
    return new Process(sim.world, name, sim.fork(), { hasPromises, wallSkewMs: sim.random.int(2_000) - 1_000 });
  }

  #note(process: Process, what: string): void {
    this.sim.history.note(process.name, () => what);
  }
}
