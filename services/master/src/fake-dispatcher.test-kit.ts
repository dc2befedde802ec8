// A dispatcher that does what the test says, with the contract of @sheaf/ledger's door and a real etcd: owner keys, guards,
// meta and done keys are written as the real one writes them; workers are made up.

import { create, toBinary } from "@bufbuild/protobuf";
import type { Change, ChangeOutcome, Etcd, Keys, Revision } from "@sheaf/etcd";
import type {
  ConnectedWorker,
  Dispatcher,
  Follower,
  Ledger,
  LedgerKind,
  LedgerName,
  Ownership,
  Replica,
} from "@sheaf/ledger";
import { state, type store } from "@sheaf/proto";
import { FakeLedger } from "./fake-ledger.test-kit.ts";

export class FakeDispatcher implements Dispatcher {
  readonly #etcd: Etcd;
  readonly #keys: Keys;
  readonly #owned = new Map<string, FakeOwnership>();
  readonly #ledgers = new Map<string, PromiseWithResolvers<FakeLedger>>();
  readonly #onWorkers: (() => void)[] = [];
  readonly replica = "this";
  /** By pool. */
  connected: ConnectedWorker[] = [];
  readonly drained: string[] = [];
  readonly exited: string[] = [];
  /** Of these: those that the place took away. */
  readonly taken: string[] = [];
  /** Pipelines that another replica owns, for ever. */
  readonly elsewhere = new Set<string>();
  /** Ledgers that were closed, with the reason. */
  readonly closed: string[] = [];

  constructor(etcd: Etcd, keys: Keys) {
    this.#etcd = etcd;
    this.#keys = keys;
  }

  /** Resolves when the ledger is opened. */
  ledger(job: string, kind: LedgerKind): Promise<FakeLedger> {
    return this.#slot(job, kind).promise;
  }

  ownership(pipeline: string): FakeOwnership | undefined {
    return this.#owned.get(pipeline);
  }

  async own(pipeline: string, signal: AbortSignal): Promise<Ownership> {
    signal.throwIfAborted();
    if (this.elsewhere.has(pipeline)) {
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    }
    const outcome = await this.#etcd.txn({
      compare: [],
      then: [{ put: this.#keys.owner(pipeline), value: new Uint8Array() }],
    });
    if (outcome.kind !== "applied") throw new Error(`cannot own ${pipeline}: ${outcome.kind}`);
    const owned = new FakeOwnership(
      this.#etcd,
      this.#keys,
      pipeline,
      outcome.revision,
      (ledger) => {
        this.#slot(ledger.name.job, ledger.name.kind).resolve(ledger);
      },
      this.closed,
    );
    this.#owned.set(pipeline, owned);
    return owned;
  }

  async release(pipeline: string): Promise<void> {
    this.#owned.get(pipeline)?.lose();
    this.#owned.delete(pipeline);
  }

  workers(pool?: string): ConnectedWorker[] {
    return this.connected.filter((each) => pool === undefined || each.pool === pool);
  }

  /** A worker has a session now. */
  connect(pool: string, worker: string, fields: Partial<ConnectedWorker> = {}): void {
    const plain = { slots: 1, version: "0.1.0", claims: 0, claimsElsewhere: 0, given: 0, draining: false, since: 0 };
    this.connected = [...this.connected, { pool, worker, ...plain, ...fields }];
    for (const callback of this.#onWorkers) callback();
  }

  disconnect(worker: string): void {
    this.connected = this.connected.filter((each) => each.worker !== worker);
    for (const callback of this.#onWorkers) callback();
  }

  onWorkers(callback: () => void): void {
    this.#onWorkers.push(callback);
  }

  drainWorker(_pool: string, worker: string): void {
    this.drained.push(worker);
    this.change(worker, { draining: true });
  }

  /** Nobody is told, as nobody is told of a beat. */
  change(worker: string, fields: Partial<ConnectedWorker>): void {
    this.connected = this.connected.map((each) => (each.worker === worker ? { ...each, ...fields } : each));
  }

  workerExited(_pool: string, worker: string, { isLoss }: { readonly isLoss: boolean }): void {
    if (!isLoss) this.taken.push(worker);
    this.exited.push(worker);
  }

  owner(pipeline: string): Replica | undefined {
    if (this.elsewhere.has(pipeline)) return { id: "other", dispatchAddress: "", apiAddress: "" };
    return this.#owned.has(pipeline) ? { id: this.replica, dispatchAddress: "", apiAddress: "" } : undefined;
  }

  onOwners(): () => void {
    return () => {};
  }

  async withdraw(): Promise<void> {}
  async session(): Promise<void> {}
  async start(): Promise<void> {}
  async stop(): Promise<void> {
    for (const pipeline of [...this.#owned.keys()]) await this.release(pipeline);
  }

  #slot(job: string, kind: LedgerKind): PromiseWithResolvers<FakeLedger> {
    const key = `${job}/${kind}`;
    const slot = this.#ledgers.get(key) ?? Promise.withResolvers<FakeLedger>();
    this.#ledgers.set(key, slot);
    return slot;
  }
}

export class FakeOwnership implements Ownership {
  readonly pipeline: string;
  readonly #etcd: Etcd;
  readonly #keys: Keys;
  readonly #epoch: Revision;
  readonly #opened: (ledger: FakeLedger) => void;
  readonly #closed: string[];
  readonly #ledgers = new Map<string, FakeLedger>();
  readonly #lost = Promise.withResolvers<void>();
  readonly #recalled = Promise.withResolvers<void>();
  #line: Promise<unknown> = Promise.resolve();
  serves = false;

  constructor(
    etcd: Etcd,
    keys: Keys,
    pipeline: string,
    epoch: Revision,
    opened: (ledger: FakeLedger) => void,
    closed: string[],
  ) {
    this.pipeline = pipeline;
    this.#etcd = etcd;
    this.#keys = keys;
    this.#epoch = epoch;
    this.#opened = opened;
    this.#closed = closed;
  }

  get lost(): Promise<void> {
    return this.#lost.promise;
  }

  get recalled(): Promise<void> {
    return this.#recalled.promise;
  }

  /** Another replica shall have it. */
  recall(): void {
    this.#recalled.resolve();
  }

  lose(): void {
    this.#lost.resolve();
    for (const ledger of this.#ledgers.values()) ledger.finish({ kind: "closed" });
  }

  guard() {
    return [{ key: this.#keys.owner(this.pipeline), target: "mod", is: this.#epoch } as const];
  }

  epoch(): Revision {
    return this.#epoch;
  }

  submit(change: Change): Promise<ChangeOutcome> {
    const turn = this.#line.then(() => this.#write(change));
    this.#line = turn.catch(() => {});
    return turn;
  }

  async #write({ compare, ops }: Change): Promise<ChangeOutcome> {
    const gets = compare.map(({ key }) => ({ get: key }));
    const [owner] = this.guard();
    const outcome = await this.#etcd.txn({
      compare: [owner, ...compare] as never,
      then: [...ops],
      else: [{ get: this.#keys.owner(this.pipeline) }, ...gets],
    });
    if (outcome.kind === "applied") return { kind: "applied", revision: outcome.revision };
    if (outcome.kind === "refused") {
      const [now, ...current] = outcome.reads;
      return now?.modRevision === this.#epoch ? { kind: "refused", current } : { kind: "lost" };
    }
    return outcome.kind === "unknown" ? { kind: "unknown" } : { kind: "lease-not-found" };
  }

  async openLedger(name: LedgerName, meta: { n: number; input: store.ObjectRef; order: string }): Promise<Ledger> {
    const key = `${name.job}/${name.kind}`;
    const known = this.#ledgers.get(key);
    if (known !== undefined) return known;
    const metaKey = this.#keys.ledgerMeta(name.job, name.kind);
    const value = toBinary(
      state.LedgerMetaSchema,
      create(state.LedgerMetaSchema, { version: 1, n: BigInt(meta.n), input: meta.input, pipeline: name.pipeline }),
    );
    await this.submit({
      name: key,
      compare: [{ key: metaKey, target: "create", is: 0n }],
      ops: [{ put: metaKey, value }],
    });
    const ledger = new FakeLedger(this.#etcd, this.#keys, name, meta);
    this.#ledgers.set(key, ledger);
    await ledger.load();
    this.#opened(ledger);
    return ledger;
  }

  async closeLedger(name: LedgerName, reason: string): Promise<void> {
    this.#closed.push(`${name.kind} ${reason}`);
    this.#ledgers.get(`${name.job}/${name.kind}`)?.finish({ kind: "closed" });
  }

  /** Indexes that were restarted. */
  readonly restarted: number[] = [];

  restart({ job, kind }: LedgerName, index: number): boolean {
    const claims = this.#ledgers.get(`${job}/${kind}`)?.progress().claims ?? [];
    const runs = claims.some(({ running }) => running.some((each) => each.index === index));
    if (runs) this.restarted.push(index);
    return runs;
  }

  /** Without a backup. */
  straggling = 0;

  stragglers(): number {
    return this.straggling;
  }

  readonly followers = new Set<Follower>();

  follow(follower: Follower): () => void {
    this.followers.add(follower);
    return () => void this.followers.delete(follower);
  }

  async ledgerMeta() {
    return null;
  }

  serve(): void {
    this.serves = true;
  }

  async deleteLedgers(job: string): Promise<void> {
    await this.#etcd.txn({ compare: this.guard(), then: [{ deletePrefix: this.#keys.ledgers(job) }] });
  }
}
