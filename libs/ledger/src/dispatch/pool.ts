/**
 * The workers of one owned pipeline, and the hand-out of its ledgers to them.
 *
 *     Hello -> session (lease) -> Want -> claim -> Assign ... Beat ... Commit -> Committed -> ... -> Leaving | lost
 *
 * A session ends in one way, `#drop`: its claims are freed by the owner's own transactions first, its lease is revoked after
 * (L3), so that a dead lease never frees what the owner still thinks is held. What a worker shows in Hello is kept when it
 * stands (keep-claim.ts), and what it does not show is freed.
 */

import type { Lease } from "@sheaf/etcd";
import type { dispatch } from "@sheaf/proto";
import type { Timer } from "@sheaf/runtime";
import { cutInterval, nextAssignment } from "../core/assign.ts";
import type { ConnectedWorker, LedgerName, SessionStream } from "../door.ts";
import { encodeWorker, ledgerKindOf } from "../ledger-records.ts";
import type { EtcdLedger, LedgerDeps } from "../owner/etcd-ledger.ts";
import type { OwnerKey } from "../owner/ownership.ts";
import { keepClaim } from "./keep-claim.ts";
import { takeCommit, type VerifyResult } from "./take-commit.ts";
import { beatInterval, ownDelay, type Timing } from "./timing.ts";
import { assign, cancel, drain, ownerBeat, welcome } from "./words.ts";
import { WorkerSession } from "./worker-session.ts";

export interface PoolDeps extends LedgerDeps {
  readonly timing: Timing;
  readonly verify: VerifyResult;
  /** Whether this owner writes the workers' keys: the masters do. */
  readonly writesWorkers: boolean;
  readonly onWorkers: () => void;
}

/** Beats that may miss a claim before it is freed. */
const MISSED_BEATS = 2;

export class Pool {
  readonly pipeline: string;
  readonly #deps: PoolDeps;
  readonly #owner: OwnerKey;
  readonly #ledgers = new Map<string, EtcdLedger>();
  readonly #sessions = new Map<string, WorkerSession>();
  /** Claims without a session that are being freed. */
  readonly #freeing = new Set<string>();
  #tick: Timer | null = null;
  #tickedAt = 0;
  #servingSince: number | null = null;
  #closed = false;

  constructor(deps: PoolDeps, pipeline: string, owner: OwnerKey) {
    this.#deps = deps;
    this.pipeline = pipeline;
    this.#owner = owner;
    void owner.lost.then(() => this.close());
  }

  /** Whether workers are accepted. */
  get serves(): boolean {
    return this.#servingSince !== null && !this.#closed;
  }

  workers(): ConnectedWorker[] {
    return [...this.#sessions.values()].map((session) => ({
      worker: session.worker,
      pool: session.pool,
      slots: session.slots,
      version: session.version,
      claims: session.claims.size,
      claimsElsewhere: session.claimsElsewhere,
      since: session.sinceMs,
    }));
  }

  /** From now on workers are accepted: every live ledger is open. */
  serve(): void {
    if (this.#servingSince !== null || this.#closed) return;
    this.#servingSince = this.#deps.clock.now();
    this.#tickedAt = this.#servingSince;
    this.#scheduleTick();
  }

  add(ledger: EtcdLedger): void {
    this.#ledgers.set(keyOf(ledger.name), ledger);
    this.#handOut();
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
    for (const session of this.#sessions.values()) {
      for (const claim of claims) {
        if (session.claims.delete(claim)) session.say(cancel(claim, reason));
      }
    }
    await Promise.all(claims.map((claim) => ledger.freeClaim(claim)));
    this.#handOut();
  }

  /** Tells a worker to finish what it holds and to leave. */
  drain(worker: string): void {
    const session = this.#sessions.get(worker);
    if (session === undefined) return;
    session.draining = true;
    session.wants = 0;
    session.say(drain());
  }

  /** One stream, from its Hello to its end. */
  async run(stream: SessionStream, hello: dispatch.Hello, rest: AsyncIterable<dispatch.SessionRequest>): Promise<void> {
    const session = await this.#open(stream, hello);
    if (session === null) return;
    try {
      for await (const request of rest) {
        if (!session.speaks(stream)) return;
        session.heardAt = this.#deps.clock.now();
        if (request.message.case === "leaving") return await this.#drop(session, "it left");
        this.#hear(session, request);
      }
    } finally {
      if (session.speaks(stream) && session.state === "open") this.#broken(session);
    }
  }

  /** Ends every stream at once; the workers find the next owner. Claims and leases stay for it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#tick?.cancel();
    for (const session of this.#sessions.values()) {
      session.state = "gone";
      session.detach();
      session.lease.stop();
    }
    this.#sessions.clear();
    for (const ledger of this.#ledgers.values()) ledger.close();
    this.#ledgers.clear();
    this.#deps.onWorkers();
  }

  async #open(stream: SessionStream, hello: dispatch.Hello): Promise<WorkerSession | null> {
    const { clock, etcd, timing, log } = this.#deps;
    const known = this.#sessions.get(hello.worker);
    const session = known ?? new WorkerSession(hello, await etcd.grantLease(timing.sessionTtlSeconds), clock.wall());
    // Everything above waited: the pool may be closed, or another stream of the same worker may have come first.
    if (this.#closed || this.#sessions.get(hello.worker) !== known) {
      if (known === undefined) await session.lease.revoke();
      stream.close();
      return null;
    }
    this.#sessions.set(hello.worker, session);
    session.attach(stream, clock.now());
    if (known === undefined) this.#began(session);
    const stand = await this.#standing(session, hello.holds);
    const workers = this.#sessions.size;
    session.say(welcome(session.lease.id, beatInterval(timing, workers), cutInterval(workers), stand));
    log.info(
      { worker: hello.worker, pipeline: this.pipeline, again: known !== undefined, stand: stand.length },
      "worker is here",
    );
    return session;
  }

  #began(session: WorkerSession): void {
    const { keys, clock, writesWorkers, onWorkers } = this.#deps;
    void session.lease.lost.then(() => this.#drop(session, "its lease is lost"));
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
    const ids = new Set(shown.map((held) => held.claim));
    for (const [id, held] of [...session.claims]) if (!ids.has(id)) this.#free(session, id, held.ledger);
    const kept = await Promise.all(shown.map((held) => this.#keep(session, held)));
    return kept.filter((held) => held !== null);
  }

  async #keep(session: WorkerSession, shown: dispatch.HeldClaim): Promise<dispatch.HeldClaim | null> {
    const kind = ledgerKindOf(shown.kind);
    const ledger = kind && this.#ledgers.get(keyOf({ job: shown.job, kind }));
    if (!ledger) return null;
    const stands = await keepClaim(session, shown, ledger);
    if (stands !== null && !session.claims.has(shown.claim)) this.#holds(session, shown.claim, ledger);
    return stands;
  }

  #holds(session: WorkerSession, claim: string, ledger: EtcdLedger): void {
    session.claims.set(claim, { ledger, assignedAt: this.#deps.clock.now(), missed: 0 });
  }

  #hear(session: WorkerSession, { message }: dispatch.SessionRequest): void {
    switch (message.case) {
      case "want":
        session.wants = session.draining ? 0 : message.value.claims;
        return this.#handOut();
      case "beat":
        return this.#beat(session, message.value);
      case "commit":
        return void this.#commit(session, message.value);
      case "released":
        return void this.#released(session, message.value);
      default:
        return;
    }
  }

  #beat(session: WorkerSession, beat: dispatch.Beat): void {
    session.claimsElsewhere = beat.claimsElsewhere;
    const named = new Map(beat.claims.map((position) => [position.claim, position]));
    const now = this.#deps.clock.now();
    for (const [id, held] of [...session.claims]) {
      const position = named.get(id);
      const claim = held.ledger.partition.claims.get(id);
      if (claim === undefined) session.claims.delete(id);
      else if (position !== undefined) {
        held.missed = 0;
        claim.next = Math.min(Math.max(Number(position.next), claim.start), claim.end);
        claim.finished = Number(position.finished);
        held.ledger.changed();
      } else if (now - held.assignedAt > this.#deps.timing.beatMs && ++held.missed >= MISSED_BEATS) {
        this.#free(session, id, held.ledger);
      }
    }
  }

  async #commit(session: WorkerSession, commit: dispatch.Commit): Promise<void> {
    const held = session.claims.get(commit.claim);
    const answer = await takeCommit(this.#deps.verify, session, held?.ledger ?? null, commit);
    if (held !== undefined && !held.ledger.partition.claims.has(commit.claim)) session.claims.delete(commit.claim);
    session.say(answer);
    if (held === undefined) return;
    await held.ledger.settle();
    this.#handOut();
  }

  async #released(session: WorkerSession, { claim, from }: dispatch.Released): Promise<void> {
    const held = session.claims.get(claim);
    if (held === undefined) return;
    await held.ledger.release(claim, Number(from), session.lease.id);
    if (!held.ledger.partition.claims.has(claim)) session.claims.delete(claim);
    this.#handOut();
  }

  #free(session: WorkerSession, claim: string, ledger: EtcdLedger): void {
    session.claims.delete(claim);
    void ledger.freeClaim(claim).then(() => this.#freed(ledger));
  }

  async #freed(ledger: EtcdLedger): Promise<void> {
    await ledger.settle();
    this.#handOut();
  }

  #broken(session: WorkerSession): void {
    session.state = "broken";
    session.detach();
    session.grace = this.#deps.clock.timer(this.#deps.timing.brokenGraceMs, () => {
      void this.#drop(session, "its stream broke and it did not come back");
    });
  }

  /** The worker is gone: its claims are freed by our own transactions, then its lease is revoked (L3). */
  async #drop(session: WorkerSession, why: string): Promise<void> {
    if (session.state === "gone") return;
    session.state = "gone";
    session.detach();
    this.#sessions.delete(session.worker);
    this.#deps.log.info(
      { worker: session.worker, pipeline: this.pipeline, why, claims: session.claims.size },
      "worker is gone",
    );
    this.#deps.onWorkers();
    const held = [...session.claims];
    await Promise.all(held.map(([claim, { ledger }]) => ledger.freeClaim(claim)));
    for (const ledger of new Set(held.map(([, one]) => one.ledger))) await this.#freed(ledger);
    await revoke(session.lease, this.#deps);
  }

  /** Hands out until nobody wants or nothing is free. Each claim is reserved at once and written with the next tick (L8). */
  #handOut(): void {
    if (!this.serves) return;
    const sessions = [...this.#sessions.values()].filter((session) => session.state === "open");
    const cut = cutInterval(sessions.length);
    for (;;) {
      const workers = sessions.map((one) => ({ id: one.worker, wants: one.wants, holds: one.claims.size }));
      const next = nextAssignment([...this.#ledgers.values()], workers, sessions.length, cut);
      const session = next && this.#sessions.get(next.worker);
      if (!next || !session) return;
      session.wants--;
      void this.#assign(session, next.ledger, next.start, next.end);
    }
  }

  async #assign(session: WorkerSession, ledger: EtcdLedger, start: number, end: number): Promise<void> {
    const outcome = await ledger.claim(session.worker, session.lease.id, start, end);
    if (outcome.kind === "session-gone") await this.#drop(session, "its lease is gone");
    if (outcome.kind === "not-claimed") {
      session.wants++;
      this.#handOut();
    }
    if (outcome.kind !== "claimed" || outcome.claim.fence === null) return;
    const { id, fence } = outcome.claim;
    // The worker went, or the ledger was closed, while the claim was being written.
    if (session.state === "gone" || this.#ledgers.get(keyOf(ledger.name)) !== ledger)
      return void this.#freeUnsent(ledger, id);
    this.#holds(session, id, ledger);
    session.say(assign(ledger, id, fence, start, end));
  }

  /** Frees a claim that no session holds. */
  async #freeUnsent(ledger: EtcdLedger, claim: string): Promise<void> {
    if (this.#freeing.has(claim)) return;
    this.#freeing.add(claim);
    try {
      await ledger.freeClaim(claim);
    } finally {
      this.#freeing.delete(claim);
    }
    await this.#freed(ledger);
  }

  #scheduleTick(): void {
    this.#tick = this.#deps.clock.timer(beatInterval(this.#deps.timing, this.#sessions.size), () => {
      this.#onTick();
      if (!this.#closed) this.#scheduleTick();
    });
  }

  #onTick(): void {
    const { clock, timing } = this.#deps;
    const now = clock.now();
    const delay = ownDelay(now - this.#tickedAt, beatInterval(timing, this.#sessions.size));
    this.#tickedAt = now;
    const cutIntervalMs = cutInterval(this.#sessions.size);
    for (const session of [...this.#sessions.values()]) {
      session.heardAt += delay;
      if (now - session.heardAt > timing.silentMs) void this.#drop(session, "it is silent");
      else session.say(ownerBeat(cutIntervalMs));
    }
    this.#freeOrphans(now);
    for (const ledger of this.#ledgers.values()) void ledger.settle();
  }

  /** Claims that no session holds: those from before a takeover that nobody has shown in time. */
  #freeOrphans(now: number): void {
    if (this.#servingSince === null || now - this.#servingSince < this.#deps.timing.orphanMs) return;
    for (const ledger of this.#ledgers.values()) {
      for (const claim of ledger.partition.claims.values()) {
        const isHeld = this.#sessions.get(claim.worker)?.claims.has(claim.id) === true;
        if (!isHeld && claim.fence !== null) void this.#freeUnsent(ledger, claim.id);
      }
    }
  }
}

async function revoke(lease: Lease, { log }: PoolDeps): Promise<void> {
  try {
    await lease.revoke();
  } catch (error) {
    log.info({ lease: lease.id, error }, "a lease could not be revoked; it expires by itself");
  }
}

function keyOf({ job, kind }: Pick<LedgerName, "job" | "kind">): string {
  return `${job}/${kind}`;
}
