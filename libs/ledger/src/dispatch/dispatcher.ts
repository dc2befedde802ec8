import { create } from "@bufbuild/protobuf";
import type { KeyValue, Lease, Revision } from "@sheaf/etcd";
import { dispatch } from "@sheaf/proto";
import { failedPrecondition, invalidArgument } from "@sheaf/runtime";
import { whyNotTogether } from "../core/versions.ts";
import type { ConnectedWorker, Dispatcher, Ownership, Replica, SessionStream } from "../door.ts";
import { campaign } from "../owner/campaign.ts";
import type { LedgerDeps } from "../owner/etcd-ledger.ts";
import { refuseFarVersions } from "../owner/neighbours.ts";
import type { OwnerKey } from "../owner/ownership.ts";
import { decideTurn, handsOver } from "../owner/placement.ts";
import { type ReplicaAddresses, ReplicaKey } from "../owner/replica-key.ts";
import { Replicas } from "../owner/replicas.ts";
import { Elsewhere } from "./elsewhere.ts";
import { OwnedPipeline } from "./owned-pipeline.ts";
import { Pool, type PoolDeps } from "./pool.ts";
import type { VerifyResult } from "./take-commit.ts";
import { DEFAULT_TIMING, type Timing } from "./timing.ts";

export interface DispatcherOptions extends LedgerDeps {
  /** A master owns pipelines (plan and process ledgers), a merge replica their merges. */
  readonly role: "master" | "merge";
  readonly verify: VerifyResult;
  /** Where this replica is reached; asked when it is started, and again when its key must be put anew. */
  readonly addresses: () => ReplicaAddresses;
  /** Version of this program: those of workers and other replicas may be one minor version away from it. */
  readonly version: string;
  readonly timing?: Timing;
}

interface Owned {
  readonly pool: Pool;
  readonly owner: OwnerKey;
  /** The revision as of which the replicas were known when it was taken. */
  readonly knownAt: Revision;
  readonly recall: () => void;
}

/** A replica's dispatcher: its own key and its owner keys under one lease, and a pool of workers per owned pipeline. */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  return new ReplicaDispatcher(options);
}

/** As people call them. */
const ROLES = { master: "the master", merge: "the merge replica" } as const;
/** Other versions of workers that are told of. */
const STRANGERS_MAX = 100;
/** Pause before an owner key that nobody holds is discarded again. */
const DISCARD_RETRY_MS = 500;

class ReplicaDispatcher implements Dispatcher {
  readonly replica: string;
  readonly #options: DispatcherOptions;
  readonly #timing: Timing;
  readonly #pools = new Map<string, Owned>();
  readonly #callbacks: (() => void)[] = [];
  readonly #replicas: Replicas;
  readonly #self: ReplicaKey;
  readonly #elsewhere: Elsewhere;
  /** The revision of `#replicas` by which the pipelines were last looked at. */
  #recalledAt: Revision = 0n;
  /** Versions of workers that were refused. */
  readonly #strangers = new Set<string>();
  #started: Promise<void> | null = null;
  #stopped: Promise<void> | null = null;

  constructor(options: DispatcherOptions) {
    const { etcd, keys, clock, log, role, replica, version, addresses } = options;
    this.replica = replica;
    this.#options = options;
    this.#timing = options.timing ?? DEFAULT_TIMING;
    this.#replicas = new Replicas({ etcd, keys, clock, log, role });
    this.#self = new ReplicaKey({
      ...{ etcd, clock, log, addresses },
      key: role === "master" ? keys.master(replica) : keys.merger(replica),
      programVersion: version,
      ttlSeconds: this.#timing.ownerTtlSeconds,
    });
    this.#elsewhere = new Elsewhere(replica, this.#replicas, clock);
    this.#replicas.onChange(() => this.#recall());
  }

  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  async #start(): Promise<void> {
    await refuseFarVersions({ ...this.#options, ttlMs: this.#timing.ownerTtlSeconds * 1_000 });
    await this.#replicas.start();
    await this.#self.start();
  }

  async own(pipeline: string, signal: AbortSignal): Promise<Ownership> {
    const { keys, role } = this.#options;
    await this.start();
    let knownAt: Revision = 0n;
    const candidacy = {
      key: role === "master" ? keys.owner(pipeline) : keys.mergeOwner(pipeline),
      turn: async (until: AbortSignal) => {
        knownAt = await this.#turn(pipeline, candidacy.key, until);
      },
      taken: (by: KeyValue) => this.#replicas.learn(by),
      lease: () => this.#self.lease(),
      leaseGone: (lease: Lease) => this.#self.gone(lease),
    };
    const owner = await campaign(this.#options, candidacy, signal);
    return this.#owned(pipeline, owner, knownAt);
  }

  /** H1, H2 of placement.ts: resolves when this replica may take the pipeline, with the revision as of which it knew the others. */
  async #turn(pipeline: string, key: string, signal: AbortSignal): Promise<Revision> {
    const { clock } = this.#options;
    let absentSinceMs: number | null = null;
    for (;;) {
      const nowMs = clock.now();
      absentSinceMs = this.#replicas.ownerId(pipeline) === undefined ? (absentSinceMs ?? nowMs) : null;
      const replicas = this.#replicas.live.map(({ id }) => id);
      const turn = decideTurn({ pipeline, self: this.replica, replicas, absentSinceMs, nowMs });
      if (turn.kind === "now") return this.#replicas.liveRevision;
      const isLeft = await this.#discard(pipeline, key);
      const waitMs = turn.kind === "at" ? turn.ms - nowMs : isLeft ? DISCARD_RETRY_MS : undefined;
      await this.#replicas.changed(pipeline, waitMs, signal);
    }
  }

  /**
   * An owner key of this replica that nobody here holds: a try that was applied after it was given up, or a deletion without an answer. It
   * would stand, and nobody own the pipeline, as long as this replica lives. False: there is none.
   */
  async #discard(pipeline: string, key: string): Promise<boolean> {
    const revision = this.#replicas.ownerRevision(pipeline);
    if (revision === undefined || this.#replicas.ownerId(pipeline) !== this.replica) return false;
    await this.#options.etcd.txn({ compare: [{ key, target: "mod", is: revision }], then: [{ delete: key }] });
    return true;
  }

  /** H3: what belongs to a replica that has come is handed over to it. */
  #recall(): void {
    const { liveRevision } = this.#replicas;
    if (liveRevision === this.#recalledAt) return;
    this.#recalledAt = liveRevision;
    for (const pipeline of this.#pools.keys()) this.#recallOne(pipeline);
  }

  #recallOne(pipeline: string): void {
    const owned = this.#pools.get(pipeline);
    if (owned && handsOver(pipeline, this.replica, owned.knownAt, this.#replicas.live)) owned.recall();
  }

  async release(pipeline: string): Promise<void> {
    const owned = this.#pools.get(pipeline);
    this.#pools.delete(pipeline);
    owned?.pool.close();
    await owned?.owner.resign();
  }

  owner(pipeline: string): Replica | undefined {
    return this.#replicas.owner(pipeline);
  }

  onOwners(callback: () => void): () => void {
    return this.#replicas.onChange(callback);
  }

  drainWorker(pool: string, worker: string): void {
    this.#pools.get(pool)?.pool.drain(worker);
  }

  workerExited(pool: string, worker: string, { isLoss }: { readonly isLoss: boolean }): void {
    this.#pools.get(pool)?.pool.exited(worker, isLoss);
  }

  workers(pool?: string): ConnectedWorker[] {
    const pools = pool === undefined ? [...this.#pools.values()] : [this.#pools.get(pool)];
    return pools.flatMap((owned) => owned?.pool.workers() ?? []);
  }

  onWorkers(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  /** Throws what the worker is to be told: closing the stream before would end it without a reason. */
  async session(stream: SessionStream): Promise<void> {
    await this.#session(stream);
    stream.close();
  }

  async #session(stream: SessionStream): Promise<void> {
    const requests = stream.requests[Symbol.asyncIterator]();
    const first = await requests.next();
    if (first.done) return;
    const hello = this.#helloOf(first.value);
    const here = () => {
      const pool = this.#pools.get(hello.pool)?.pool;
      return pool?.serves === true ? pool : undefined;
    };
    const address = await this.#elsewhere.find(hello.worker, hello.pool, () => here() !== undefined);
    const pool = here();
    if (pool !== undefined) return await pool.run(stream, hello, { [Symbol.asyncIterator]: () => requests });
    const message = {
      case: "elsewhere" as const,
      value: create(dispatch.ElsewhereSchema, { address: address ?? "" }),
    };
    await stream.send(create(dispatch.SessionResponseSchema, { message }));
  }

  withdraw(): Promise<void> {
    return this.#self.withdraw();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await this.#started?.catch(() => {});
    this.#elsewhere.close();
    await this.withdraw(); // first, so that what is released now goes to those that stay
    await Promise.all([...this.#pools.keys()].map((pipeline) => this.release(pipeline)));
    await this.#self.stop();
    await this.#replicas.stop();
  }

  #owned(pipeline: string, owner: OwnerKey, knownAt: Revision): Ownership {
    const deps: PoolDeps = {
      ...this.#options,
      timing: this.#timing,
      writesWorkers: this.#options.role === "master",
      onWorkers: () => {
        for (const callback of this.#callbacks) callback();
      },
    };
    const pool = new Pool(deps, pipeline, owner);
    const recalled = Promise.withResolvers<void>();
    const owned = { pool, owner, knownAt, recall: recalled.resolve };
    this.#pools.set(pipeline, owned);
    void owner.lost.then(() => {
      if (this.#pools.get(pipeline) === owned) this.#pools.delete(pipeline);
    });
    this.#options.log.info({ pipeline, role: this.#options.role, epoch: String(owner.epoch) }, "owner");
    this.#recallOne(pipeline); // a replica may have come while it was being taken
    return new OwnedPipeline(this.#options, {
      ...{ pipeline, owner, pool, recalled: recalled.promise },
      serving: () => this.#replicas.wake(pipeline),
    });
  }

  #helloOf(request: dispatch.SessionRequest): dispatch.Hello {
    if (request.message.case !== "hello") {
      throw invalidArgument(
        "HELLO_EXPECTED",
        `the first message of a session is a hello, not ${request.message.case ?? "nothing"}`,
      );
    }
    const hello = request.message.value;
    const own = { who: ROLES[this.#options.role], version: this.#options.version };
    const why = whyNotTogether(own, { who: `worker ${hello.worker}`, version: hello.version });
    if (why === undefined) return hello;
    // A worker comes again and again: of each version it is told once.
    if (this.#strangers.size < STRANGERS_MAX && !this.#strangers.has(hello.version)) {
      this.#strangers.add(hello.version);
      this.#options.log.warn({ pipeline: hello.pool }, why);
    }
    throw failedPrecondition("OTHER_VERSION", why);
  }
}
