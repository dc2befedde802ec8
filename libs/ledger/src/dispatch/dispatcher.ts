import { create } from "@bufbuild/protobuf";
import type { Lease } from "@sheaf/etcd";
import { dispatch } from "@sheaf/proto";
import { invalidArgument, messageOf, SheafError } from "@sheaf/runtime";
import type { ConnectedWorker, Dispatcher, LedgerName, NewLedgerMeta, Ownership, SessionStream } from "../door.ts";
import { decodeMeta } from "../ledger-records.ts";
import { campaign, LeaseGone } from "../owner/campaign.ts";
import type { LedgerDeps } from "../owner/etcd-ledger.ts";
import { openLedger } from "../owner/open-ledger.ts";
import type { OwnerKey } from "../owner/ownership.ts";
import { Pool, type PoolDeps } from "./pool.ts";
import type { VerifyResult } from "./take-commit.ts";
import { DEFAULT_TIMING, type Timing } from "./timing.ts";

export interface DispatcherOptions extends LedgerDeps {
  /** A master owns pipelines (plan and process ledgers), a merge replica their merges. */
  readonly role: "master" | "merge";
  readonly verify: VerifyResult;
  /** Version of this program: workers must have the same major and minor. */
  readonly version: string;
  readonly timing?: Timing;
}

/** Pause before a replica that lost its lease grants another. */
const LEASE_RETRY_MS = 500;
/** Pause before a deletion whose outcome is unknown is sent again: deleting twice is deleting once. */
const DELETE_RETRY_MS = 500;

/** A replica's dispatcher: owner keys under one lease, and a pool of workers per owned pipeline. */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  return new ReplicaDispatcher(options);
}

class ReplicaDispatcher implements Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #timing: Timing;
  readonly #pools = new Map<string, { pool: Pool; owner: OwnerKey }>();
  readonly #callbacks: (() => void)[] = [];
  #lease: Promise<Lease> | null = null;
  #stopped = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#timing = options.timing ?? DEFAULT_TIMING;
  }

  async start(): Promise<void> {
    await this.#ownerLease();
  }

  async own(pipeline: string, signal: AbortSignal): Promise<Ownership> {
    const { keys, role, clock } = this.#options;
    const key = role === "master" ? keys.owner(pipeline) : keys.mergeOwner(pipeline);
    for (;;) {
      try {
        const owner = await campaign(this.#options, key, await this.#ownerLease(), signal);
        return this.#owned(pipeline, owner);
      } catch (error) {
        if (!(error instanceof LeaseGone)) throw error;
        this.#lease = null;
        await clock.sleep(LEASE_RETRY_MS, signal);
      }
    }
  }

  async release(pipeline: string): Promise<void> {
    const owned = this.#pools.get(pipeline);
    this.#pools.delete(pipeline);
    owned?.pool.close();
    await owned?.owner.resign();
  }

  drainWorker(pool: string, worker: string): void {
    this.#pools.get(pool)?.pool.drain(worker);
  }

  workerExited(pool: string, worker: string): void {
    this.#pools.get(pool)?.pool.exited(worker);
  }

  workers(pool?: string): ConnectedWorker[] {
    const pools = pool === undefined ? [...this.#pools.values()] : [this.#pools.get(pool)];
    return pools.flatMap((owned) => owned?.pool.workers() ?? []);
  }

  onWorkers(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  async session(stream: SessionStream): Promise<void> {
    const requests = stream.requests[Symbol.asyncIterator]();
    try {
      const first = await requests.next();
      if (first.done) return;
      const hello = this.#helloOf(first.value);
      const owned = this.#pools.get(hello.pool);
      if (owned?.pool.serves) return await owned.pool.run(stream, hello, { [Symbol.asyncIterator]: () => requests });
      // Nobody serves it yet, or another replica does: the worker tries again, or elsewhere.
      const message = { case: "elsewhere" as const, value: create(dispatch.ElsewhereSchema) };
      await stream.send(create(dispatch.SessionResponseSchema, { message }));
    } finally {
      stream.close();
    }
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await Promise.all([...this.#pools.keys()].map((pipeline) => this.release(pipeline)));
    const lease = await this.#lease;
    await lease
      ?.revoke()
      .catch((error) => this.#options.log.info({ error: messageOf(error) }, "owner lease expires by itself"));
  }

  /** The one lease of all owner keys of this replica. */
  #ownerLease(): Promise<Lease> {
    this.#lease ??= this.#options.etcd.grantLease(this.#timing.ownerTtlSeconds).then((lease) => {
      // Its keys are lost with it (each OwnerKey sees to itself); the next campaign grants another.
      void lease.lost.then(() => {
        this.#lease = null;
      });
      return lease;
    });
    this.#lease.catch(() => {
      this.#lease = null;
    });
    return this.#lease;
  }

  #owned(pipeline: string, owner: OwnerKey): Ownership {
    const deps: PoolDeps = {
      ...this.#options,
      timing: this.#timing,
      writesWorkers: this.#options.role === "master",
      onWorkers: () => {
        for (const callback of this.#callbacks) callback();
      },
    };
    const pool = new Pool(deps, pipeline, owner);
    const owned = { pool, owner };
    this.#pools.set(pipeline, owned);
    void owner.lost.then(() => {
      if (this.#pools.get(pipeline) === owned) this.#pools.delete(pipeline);
    });
    this.#options.log.info({ pipeline, role: this.#options.role, epoch: String(owner.epoch) }, "owner");
    return new OwnedPipeline(this.#options, pipeline, owner, pool);
  }

  #helloOf(request: dispatch.SessionRequest): dispatch.Hello {
    if (request.message.case !== "hello") {
      throw invalidArgument(
        "HELLO_EXPECTED",
        `the first message of a session is a hello, not ${request.message.case ?? "nothing"}`,
      );
    }
    const hello = request.message.value;
    if (minor(hello.version) === minor(this.#options.version)) return hello;
    const message = `worker ${hello.worker} has version ${hello.version}, this owner ${this.#options.version}; start workers of the same version`;
    throw new SheafError("FAILED_PRECONDITION", "OTHER_VERSION", message);
  }
}

function minor(version: string): string {
  return version.split(".").slice(0, 2).join(".");
}

class OwnedPipeline implements Ownership {
  readonly pipeline: string;
  readonly #deps: LedgerDeps;
  readonly #owner: OwnerKey;
  readonly #pool: Pool;

  constructor(deps: LedgerDeps, pipeline: string, owner: OwnerKey, pool: Pool) {
    this.#deps = deps;
    this.pipeline = pipeline;
    this.#owner = owner;
    this.#pool = pool;
  }

  get lost(): Promise<void> {
    return this.#owner.lost;
  }

  guard() {
    return this.#owner.guard();
  }

  epoch() {
    return this.#owner.epoch;
  }

  submit: Ownership["submit"] = (change) => this.#owner.submit(change);

  async openLedger(name: LedgerName, meta: NewLedgerMeta) {
    const open = this.#pool.ledger(name);
    if (open !== undefined) return open;
    const made = { giveUpAfterFailed: Number.POSITIVE_INFINITY, speculation: false, ...meta };
    const ledger = await openLedger(this.#deps, this.#owner, name, made);
    this.#pool.add(ledger);
    return ledger;
  }

  async ledgerMeta({ job, kind }: LedgerName) {
    const kv = await this.#deps.etcd.get(this.#deps.keys.ledgerMeta(job, kind));
    return kv === null ? null : decodeMeta(kv);
  }

  serve(): void {
    this.#pool.serve();
  }

  closeLedger(name: LedgerName, reason: "stopped" | "done"): Promise<void> {
    return this.#pool.remove(name, reason === "stopped" ? dispatch.CancelReason.STOPPED : dispatch.CancelReason.LOST);
  }

  /**
   * Meta keys first: from then on no write of a late batch can apply to these ledgers (L8). The rest is nobody's any more, so its
   * deletion need not go through the group commit, which knows single keys only.
   */
  async deleteLedgers(job: string): Promise<void> {
    const { keys, etcd, clock } = this.#deps;
    const ops = (["plan", "process", "merge"] as const).map((kind) => ({ delete: keys.ledgerMeta(job, kind) }));
    for (;;) {
      const outcome = await this.#owner.submit({ name: `delete the ledgers of ${job}`, compare: [], ops });
      if (outcome.kind === "lost") return;
      if (outcome.kind === "applied") break;
    }
    for (;;) {
      const outcome = await etcd.txn({ compare: this.guard(), then: [{ deletePrefix: keys.ledgers(job) }] });
      // Refused: the epoch was sealed meanwhile, or is lost; whoever owns the pipeline then deletes what is left.
      if (outcome.kind !== "unknown") return;
      await clock.sleep(DELETE_RETRY_MS);
    }
  }
}
