/**
 * The workers of one owned pipeline, and the ledgers that are handed out to them.
 *
 *     Hello -> session (lease) -> Want -> claim -> Assign ... Beat ... Commit -> Committed -> ... -> Leaving | gone
 *
 * A session ends in one way, `#drop`: its claims are freed by the owner's own transactions first, its lease is revoked after
 * (L3), so that a dead lease never frees what the owner still thinks is held. What a worker shows in Hello is kept when it
 * stands (keep-claim.ts), and what it does not show is freed.
 */

import { dispatch } from "@sheaf/proto";
import type { Timer } from "@sheaf/runtime";
import { cutInterval } from "../core/assign.ts";
import type { ConnectedWorker, Follower, LedgerName, SessionStream } from "../door.ts";
import { encodeWorker, ledgerKindOf } from "../ledger-records.ts";
import type { EtcdLedger, LedgerDeps } from "../owner/etcd-ledger.ts";
import type { OwnerKey } from "../owner/ownership.ts";
import { Followers } from "./followers.ts";
import { Freeing } from "./freeing.ts";
import { HandOut } from "./hand-out.ts";
import { Hearing } from "./hearing.ts";
import { keepClaim } from "./keep-claim.ts";
import { Losses } from "./losses.ts";
import { Races } from "./races.ts";
import { Roster } from "./roster.ts";
import type { VerifyResult } from "./take-commit.ts";
import { beatInterval, type Timing } from "./timing.ts";
import { cancel, drain, ownerBeat, welcome } from "./words.ts";
import { WorkerSession } from "./worker-session.ts";

export interface PoolDeps extends LedgerDeps {
  readonly timing: Timing;
  readonly verify: VerifyResult;
  /** Whether this owner writes the workers' keys: the masters do. */
  readonly writesWorkers: boolean;
  readonly onWorkers: () => void;
}

/** How a worker went: whether what it held was lost with it (L9), or it gave it back. */
type Departure = { readonly why: string; readonly isLoss: boolean };

export class Pool {
  readonly pipeline: string;
  readonly #deps: PoolDeps;
  readonly #owner: OwnerKey;
  readonly #ledgers = new Map<string, EtcdLedger>();
  /** Their claims are being freed. */
  readonly #closing = new Set<EtcdLedger>();
  readonly #roster: Roster;
  readonly #races: Races;
  readonly #losses: Losses;
  readonly #handOut: HandOut;
  readonly #hearing: Hearing;
  readonly #followers = new Followers();
  readonly #freeing: Freeing;
  #tick: Timer | null = null;
  #servingSince: number | null = null;
  #closed = false;

  constructor(deps: PoolDeps, pipeline: string, owner: OwnerKey) {
    this.#deps = deps;
    this.pipeline = pipeline;
    this.#owner = owner;
    const { clock, log, timing, verify } = deps;
    const onGone = (session: WorkerSession, why: string) => void this.#drop(session, { why, isLoss: true });
    const roster = new Roster({ clock, log, timing, onGone });
    const races = new Races(roster);
    const handOut = new HandOut({
      ...{ clock, timing, roster, races },
      ledgers: () => [...this.#ledgers.values()],
      serves: () => this.serves,
      onLeaseGone: (session) => void this.#drop(session, { why: "its lease is gone", isLoss: false }),
      onUnsent: (ledger, claim) => void this.#freeing.unheld(ledger, claim),
    });
    const losses = new Losses(timing.lossMs, (worker) => roster.get(worker) !== undefined);
    this.#freeing = new Freeing({
      ...{ clock, roster, races, losses },
      ledgers: () => [...this.#ledgers.values(), ...this.#closing],
      onFreed: () => handOut.wake(),
    });
    const onLiar = (session: WorkerSession) => void this.#drop(session, { why: "it lies", isLoss: false });
    this.#hearing = new Hearing({
      ...{ clock, log, verify, races, handOut },
      onDropped: (session, claim, ledger) => this.#freeing.dropped(session, claim, ledger),
      onLiar,
      followers: this.#followers,
    });
    this.#roster = roster;
    this.#races = races;
    this.#handOut = handOut;
    this.#losses = losses;
    void owner.lost.then(() => this.close());
  }

  /** Whether workers are accepted. */
  get serves(): boolean {
    return this.#servingSince !== null && !this.#closed;
  }

  /** Nothing is handed out any more, ever: the pipeline is not owned here, or was given up. */
  get closed(): boolean {
    return this.#closed;
  }

  workers(): ConnectedWorker[] {
    return this.#roster.workers();
  }

  /** From now on workers are accepted: every live ledger is open. */
  serve(): void {
    if (this.#servingSince !== null || this.#closed) return;
    this.#servingSince = this.#deps.clock.now();
    this.#scheduleTick();
  }

  add(ledger: EtcdLedger): void {
    this.#ledgers.set(keyOf(ledger.name), ledger);
    this.#handOut.wake();
  }

  ledger(name: LedgerName): EtcdLedger | undefined {
    return this.#ledgers.get(keyOf(name));
  }

  /** Closes a ledger: workers are told to stop, its claims are freed. */
  async remove(name: LedgerName, reason: dispatch.CancelReason): Promise<void> {
    const ledger = this.#ledgers.get(keyOf(name));
    if (ledger === undefined) return;
    ledger.close();
    this.#ledgers.delete(keyOf(name));
    const claims = [...ledger.partition.claims.keys()];
    for (const claim of claims) this.#races.claimGone(claim, reason);
    for (const session of this.#roster.all()) {
      for (const claim of claims) {
        if (session.claims.delete(claim)) session.say(cancel(claim, reason));
      }
    }
    this.#closing.add(ledger);
    await Promise.all(claims.map((claim) => ledger.freeClaim(claim)));
    this.#closing.delete(ledger);
    this.#handOut.wake();
  }

  /** An index that runs is to begin again, its backup as well. False: it does not run, or its worker does not hear. */
  restart(name: LedgerName, index: number): boolean {
    const claims = [...(this.ledger(name)?.partition.claims.values() ?? [])];
    const claim = claims.find(({ running }) => running.some((each) => each.index === index));
    const session = claim && this.#roster.get(claim.worker);
    if (claim === undefined || session?.state !== "open" || !session.claims.has(claim.id)) return false;
    session.say(cancel(claim.id, dispatch.CancelReason.RESTARTED, index));
    this.#races.restart(claim.id, index);
    return true;
  }

  /** Stragglers that have no backup and would get one, were there an idle worker. */
  stragglers(): number {
    return this.serves ? this.#handOut.stragglers() : 0;
  }

  /** Workers send what their datums write, until the function that is returned is called. */
  follow(follower: Follower): () => void {
    const end = this.#followers.add(follower);
    this.#beat();
    return end;
  }

  /** Tells a worker to finish what it holds and to leave. */
  drain(worker: string): void {
    const session = this.#roster.get(worker);
    if (session === undefined) return;
    session.draining = true;
    session.wants = 0;
    session.say(drain());
  }

  /** Its process has ended: what it holds is free at once, and whether its loss counts is known (L9). */
  exited(worker: string, isLoss: boolean): void {
    if (isLoss) this.#losses.exited(worker);
    else this.#losses.back(worker);
    const session = this.#roster.get(worker);
    if (session !== undefined) void this.#drop(session, { why: "its process has ended", isLoss });
  }

  /** One stream, from its Hello to its end. */
  async run(stream: SessionStream, hello: dispatch.Hello, rest: AsyncIterable<dispatch.SessionRequest>): Promise<void> {
    const session = await this.#open(stream, hello);
    if (session === null) return;
    try {
      for await (const request of rest) {
        if (!session.speaks(stream)) return;
        session.heardAt = this.#deps.clock.now();
        if (request.message.case === "leaving") return await this.#drop(session, { why: "it left", isLoss: false });
        this.#hearing.hear(session, request);
      }
    } finally {
      if (session.speaks(stream) && session.state === "open") this.#roster.broken(session);
    }
  }

  /** Ends every stream at once; the workers find the next owner. Claims and leases stay for it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#tick?.cancel();
    for (const session of this.#roster.all()) {
      session.state = "gone";
      session.detach();
      session.lease.stop();
      this.#roster.delete(session);
    }
    for (const ledger of this.#ledgers.values()) ledger.close();
    this.#ledgers.clear();
    this.#deps.onWorkers();
  }

  async #open(stream: SessionStream, hello: dispatch.Hello): Promise<WorkerSession | null> {
    const { clock, etcd, timing, log } = this.#deps;
    const known = this.#roster.get(hello.worker);
    const session = known ?? new WorkerSession(hello, await etcd.grantLease(timing.sessionTtlSeconds), clock.wall());
    // Everything above waited: the pool may be closed, or another stream of the same worker may have come first.
    if (this.#closed || this.#roster.get(hello.worker) !== known) {
      if (known === undefined) await this.#revoke(session);
      stream.close();
      return null;
    }
    this.#losses.back(hello.worker);
    this.#roster.add(session);
    this.#races.racerGone(session); // a race ends with its stream
    session.attach(stream, clock.now());
    if (known === undefined) this.#began(session);
    const standing = this.#standing(session, hello.holds);
    session.standing = standing.catch(() => {});
    const stand = await standing;
    if (!session.speaks(stream)) return null;
    const workers = this.#roster.size;
    session.say(welcome(session.lease.id, beatInterval(timing, workers), cutInterval(workers), stand));
    if (session.draining) session.say(drain()); // what was said before the Welcome was not heard
    log.info(
      { worker: hello.worker, pipeline: this.pipeline, again: known !== undefined, stand: stand.length },
      "worker is here",
    );
    return session;
  }

  #began(session: WorkerSession): void {
    const { keys, clock, writesWorkers, onWorkers } = this.#deps;
    void session.lease.lost.then(() => this.#drop(session, { why: "its lease is lost", isLoss: false }));
    onWorkers();
    if (!writesWorkers) return;
    const { slots, version: programVersion } = session;
    const value = encodeWorker({ slots, programVersion, startedMs: clock.wall() });
    const put = keys.worker(this.pipeline, session.worker);
    // For those who list workers; nothing is decided by it, so its outcome does not matter.
    void this.#owner.submit({ name: `worker ${put}`, compare: [], ops: [{ put, value, lease: session.lease.id }] });
  }

  /** Which of the claims that a worker shows stand; what it does not show is freed. */
  async #standing(session: WorkerSession, shown: readonly dispatch.HeldClaim[]): Promise<dispatch.HeldClaim[]> {
    const kept = await Promise.all(shown.map((held) => this.#keep(session, held)));
    const stand = kept.filter((held) => held !== null);
    // What was held here and does not stand is not held any more.
    const standing = new Set(stand.map(({ claim }) => claim));
    for (const [id, held] of [...session.claims])
      if (!standing.has(id)) this.#freeing.dropped(session, id, held.ledger);
    return stand;
  }

  async #keep(session: WorkerSession, shown: dispatch.HeldClaim): Promise<dispatch.HeldClaim | null> {
    const kind = ledgerKindOf(shown.kind);
    const ledger = kind && this.#ledgers.get(keyOf({ job: shown.job, kind }));
    if (!ledger) return null;
    const stands = await keepClaim(session, shown, ledger);
    if (stands !== null && !session.claims.has(shown.claim)) {
      const now = this.#deps.clock.now();
      session.claims.set(shown.claim, { ledger, assignedAt: now, assignment: 0, saidAt: now, missed: 0, asked: "no" });
    }
    return stands;
  }

  /** The worker is gone: its claims are freed by our own transactions, then its lease is revoked (L3). */
  async #drop(session: WorkerSession, { why, isLoss }: Departure): Promise<void> {
    if (session.state === "gone") return;
    session.state = "gone";
    session.detach();
    this.#roster.delete(session);
    this.#races.racerGone(session);
    const { log, onWorkers } = this.#deps;
    const { worker, claims } = session;
    log.info({ worker, pipeline: this.pipeline, why, claims: claims.size }, "worker is gone");
    onWorkers();
    await session.standing;
    await this.#freeing.gone(session, isLoss);
    // What could not be freed, because we are not the owner any more, is the next owner's, with its lease.
    if (this.#closed || this.#owner.isLost) session.lease.stop();
    else await this.#revoke(session);
  }

  #scheduleTick(): void {
    const interval = beatInterval(this.#deps.timing, this.#roster.size);
    this.#tick = this.#deps.clock.timer(interval, () => {
      this.#onTick(interval);
      if (!this.#closed) this.#scheduleTick();
    });
  }

  #onTick(interval: number): void {
    const now = this.#deps.clock.now();
    this.#roster.tick(interval);
    this.#losses.tick(now);
    this.#beat();
    if (this.#servingSince !== null && now - this.#servingSince >= this.#deps.timing.orphanMs)
      this.#freeing.orphans(this.#ledgers.values());
    for (const ledger of this.#ledgers.values()) void ledger.settle();
    this.#handOut.wake(); // time alone makes stragglers
  }

  #beat(): void {
    const beat = ownerBeat(cutInterval(this.#roster.size), this.#followers.number);
    for (const session of this.#roster.open()) session.say(beat);
  }

  async #revoke({ lease }: WorkerSession): Promise<void> {
    try {
      await lease.revoke();
    } catch (error) {
      this.#deps.log.info({ lease: lease.id, err: error }, "a lease could not be revoked; it expires by itself");
    }
  }
}

function keyOf({ job, kind }: Pick<LedgerName, "job" | "kind">): string {
  return `${job}/${kind}`;
}
