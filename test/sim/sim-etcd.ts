/**
 * The etcd client of one process, over the simulated server: every call may succeed, fail before, be applied without an answer,
 * be applied late (also after linearizable reads, and after its process is gone), or be overtaken by a later one.
 */
import type {
  Etcd,
  EtcdStatus,
  KeyValue,
  Lease,
  LeaseInfo,
  Listed,
  ListOptions,
  Page,
  PageOptions,
  Txn,
  TxnOutcome,
  Watch,
  WatchHandler,
} from "@sheaf/etcd";
import { unavailable } from "@sheaf/runtime";
import type { Call, SimEtcdServer } from "./etcd-server.ts";
import type { Faults } from "./faults.ts";
import { type History, tellOutcome, tellTxn } from "./history.ts";
import type { Process } from "./process.ts";
import { SimLease } from "./sim-lease.ts";
import { SimWatch } from "./sim-watch.ts";
import type { World } from "./world.ts";

/** As the real client's. */
const TXN_DEADLINE_MS = 5_000;
/** After so long a read that is tried again and again gives up. */
const READ_DEADLINE_MS = 15_000;
/** A late write applies at most so long after it was sent. */
const LATE_MS = 12_000;

export interface EtcdParts {
  readonly world: World;
  readonly server: SimEtcdServer;
  readonly faults: Faults;
  /** Called with each transaction when it is sent. */
  readonly onSent: (call: Call) => void;
  readonly history: History;
}

/** Whoever got no answer asks again sooner than that. */
const SETTLED_MS = 1_000;

type Fate = "ok" | "fail-before" | "apply-no-answer" | "apply-late";

export class SimEtcd implements Etcd {
  readonly #parts: EtcdParts;
  readonly #process: Process;

  #pending = 0;
  #troubleAt = Number.NEGATIVE_INFINITY;

  /** Nothing is on its way, and what was unknown has been settled. */
  get isQuiet(): boolean {
    const { isPaused, resumedAt } = this.#process;
    const settledAt = Math.max(this.#troubleAt, resumedAt) + SETTLED_MS;
    return this.#pending === 0 && !isPaused && this.#parts.world.now > settledAt;
  }

  constructor(parts: EtcdParts, process: Process) {
    this.#parts = parts;
    this.#process = process;
  }

  txn(txn: Txn, { deadlineMs = TXN_DEADLINE_MS }: { readonly deadlineMs?: number } = {}): Promise<TxnOutcome> {
    const { world, server, faults, history, onSent } = this.#parts;
    const process = this.#process;
    const call: Call = { process, txn, sentAt: server.model.revision, answer: null };
    onSent(call);
    this.#pending++;
    history.note(process.name, () => `-> etcd ${tellTxn(txn)}`);
    return new Promise((resolve) => {
      const answer = (ms: number, outcome: TxnOutcome) =>
        process.after(ms, () => {
          if (call.answer !== null) return;
          call.answer = outcome.kind;
          this.#pending--;
          if (outcome.kind === "unknown") this.#troubleAt = world.now;
          history.note(process.name, () => `<- etcd ${tellOutcome(outcome)} (of ${tellTxn(txn)})`);
          resolve(outcome);
        });
      const [there, back] = [this.#way(), this.#way()];
      const fate = this.#fate();
      const answers = fate === "ok" && there + back <= deadlineMs;
      if (!answers) answer(faults.chance(0.75) && fate !== "ok" ? faults.between(1, 300) : deadlineMs, unknown(fate));
      if (fate === "fail-before") return;
      server.onTheWay++;
      world.after(fate === "apply-late" ? LATE_MS * faults.between(0, 1) ** 3 : there, null, () => {
        server.onTheWay--;
        if (server.down) return void (answers && answer(deadlineMs, unknown("no quorum")));
        const outcome = server.apply(call);
        history.note(
          "etcd",
          () => `${fate === "ok" ? "" : `${fate}: `}${tellOutcome(outcome)} of ${process.name}: ${tellTxn(txn)}`,
        );
        if (answers) answer(back, outcome);
      });
    });
  }

  get(key: string): Promise<KeyValue | null> {
    return this.#read(() => this.#parts.server.model.at(key));
  }

  list(prefix: string, options?: ListOptions): Promise<Listed> {
    return this.#read(() => this.#parts.server.model.listed(prefix, options));
  }

  page(prefix: string, options: PageOptions): Promise<Page> {
    return this.#read(() => this.#parts.server.model.paged(prefix, options));
  }

  async grantLease(ttlSeconds: number): Promise<Lease> {
    const sent = this.#process.clock.now();
    // A lost answer leaves a lease that nobody knows.
    const id = await this.#read(() => this.#parts.server.grant(ttlSeconds));
    const { server, faults } = this.#parts;
    return new SimLease({ id, ttlSeconds, sent, server, faults, process: this.#process, way: () => this.#way() }, () =>
      this.revokeLease(id),
    );
  }

  revokeLease(id: string): Promise<boolean> {
    const { server } = this.#parts;
    const sentAt = server.model.revision;
    return this.#read(() => server.revoke(id, this.#process, sentAt));
  }

  leaseTimeToLive(id: string): Promise<LeaseInfo | null> {
    return this.#read(() => this.#parts.server.model.timeToLive(id));
  }

  watch(prefix: string, handler: WatchHandler): Watch {
    const { server, faults } = this.#parts;
    const parts = { server, faults, process: this.#process, list: () => this.list(prefix), way: () => this.#way() };
    return new SimWatch(prefix, handler, parts);
  }

  /** Nobody is there to be told. */
  trouble(): undefined {
    return undefined;
  }

  status(): Promise<EtcdStatus> {
    throw new Error("nobody asks for the status in a simulation");
  }

  async close(): Promise<void> {}

  /** What may be repeated: answered, or given up after a while; then it may have been done, or not. */
  #read<T>(read: () => T): Promise<T> {
    const { world, server, faults, history } = this.#parts;
    // An error from the queue of events would not say who asked.
    const asked = history.isTold ? new Error("asked here").stack : "";
    return new Promise((resolve, reject) => {
      this.#pending++;
      const end = (ms: number, tell: () => void) =>
        this.#process.after(ms, () => {
          this.#pending--;
          tell();
        });
      const fail = (ms: number) =>
        end(ms, () => {
          this.#troubleAt = world.now;
          reject(unavailable("ETCD_UNREACHABLE", `the simulated etcd does not answer ${asked}`));
        });
      const begun = world.now;
      const attempt = () => {
        if (server.down && world.now - begun < READ_DEADLINE_MS) return void world.after(500, null, attempt);
        if (server.down) return void fail(0);
        try {
          const found = read();
          end(this.#way(), () => resolve(found));
        } catch (error) {
          end(this.#way(), () => reject(error));
        }
      };
      if (!faults.strikes("read-fails")) return void world.after(this.#way(), null, attempt);
      // It is repeatable: half of those that fail have been done.
      if (faults.chance(0.5)) world.after(this.#way(), null, () => void (server.down || read()));
      fail(faults.between(1, 2_000));
    });
  }

  #fate(): Fate {
    const { faults } = this.#parts;
    if (faults.strikes("fail-before")) return "fail-before";
    if (faults.strikes("apply-no-answer")) return "apply-no-answer";
    return faults.strikes("apply-late") ? "apply-late" : "ok";
  }

  /** Milliseconds of one way between client and server. */
  #way(): number {
    const { faults } = this.#parts;
    return faults.strikes("slow-etcd", 2) ? faults.between(5, 4_000) : faults.between(0.1, 2);
  }
}

function unknown(cause: string): TxnOutcome {
  return { kind: "unknown", cause };
}
