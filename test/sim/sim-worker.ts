/**
 * A worker: a model of services/worker that keeps the dispatch protocol honestly (and lies when it is told to). It runs indexes
 * in virtual time, cuts runs, stores them before it says so, and keeps results until the owner has answered.
 */
import { create } from "@bufbuild/protobuf";
import type { LedgerKind } from "@sheaf/ledger";
import { dispatch, store } from "@sheaf/proto";
import type { Faults } from "./faults.ts";
import type { Link, ToOwner, ToWorker, WorkerEnd } from "./link.ts";
import type { Process } from "./process.ts";
import { kindOf, type SimStore, tableRef, WORK_KIND } from "./sim-store.ts";
import { TRIES, type Truth } from "./truth.ts";
import { type Cut, type Role, WorkerClaim } from "./worker-claim.ts";
import { WorkerSession } from "./worker-session.ts";

export interface WorkerParts {
  readonly process: Process;
  readonly faults: Faults;
  readonly store: SimStore;
  readonly truth: Truth;
  readonly connect: (role: Role, end: WorkerEnd, address: string) => Link | null;
  readonly slots: number;
  /** How much slower than usual. */
  readonly slowness: number;
  /** It has said Leaving. */
  readonly onLeft: () => void;
  readonly checks: WorkerChecks;
}

/** What a worker is told is checked against what etcd has. */
export interface WorkerChecks {
  assigned(assign: dispatch.Assign): void;
  raced(race: dispatch.Race): void;
  committed(job: string, kind: LedgerKind, from: number, to: number): void;
  note(line: () => string): void;
}

const CLAIMS_MAX = 2;
const HELD_MAX = 6;
const BUILDS_MAX = 2;
const ROLES: readonly Role[] = ["master", "merge"];
const { RefusedCode } = dispatch;

export class SimWorker {
  readonly id: string;
  readonly process: Process;
  readonly claims = new Map<string, WorkerClaim>();
  readonly #parts: WorkerParts;
  readonly #sessions: Readonly<Record<Role, WorkerSession>>;
  readonly #said: Record<Role, number> = { master: 0, merge: 0 };
  readonly #cutMs: Record<Role, number> = { master: 1_000, merge: 1_000 };
  /** Backups, by claim and index: they hold no claim. */
  readonly #races = new Map<string, WorkerClaim>();
  #attempts = 0;
  #running = 0;
  #draining = false;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.process = parts.process;
    this.id = parts.process.name;
    this.#sessions = { master: this.#session("master"), merge: this.#session("merge") };
  }

  cut(role: Role, isSilent: boolean): void {
    this.#sessions[role].cut(isSilent);
  }

  /** Forgets one of its claims, without a word. */
  forget(): void {
    const id = this.#parts.faults.pick([...this.claims.keys()]);
    if (id !== undefined) this.claims.delete(id);
    this.#changed();
  }

  /** Says a commit that it should not. */
  lie(): void {
    const { faults } = this.#parts;
    const claim = faults.pick([...this.claims.values()]);
    if (claim === undefined) return;
    const what = faults.pick(["outside", "fence", "missing", "header", "part", "part", "part"] as const);
    const cut: Cut = { from: claim.from, to: claim.to, attempt: this.#newAttempt(), bad: 0, isStored: true };
    if (what === "outside") Object.assign(cut, { from: claim.from, to: (claim.assignedTo + faults.between(1, 9)) | 0 });
    if (what === "part") Object.assign(cut, { from: claim.from + 1, to: claim.to - 1 });
    if (cut.from >= cut.to) return;
    const [from, to] = what === "header" ? [cut.from, cut.to + 1] : [cut.from, cut.to];
    this.#store(claim, { ...cut, from, to }, what !== "missing");
    this.#sayCommit(claim, cut, what === "fence" ? claim.fence - 1n : claim.fence);
  }

  drain(): void {
    this.#draining = true;
    for (const claim of this.claims.values()) {
      if (claim.next < claim.to) this.#sayReleased(claim, claim.release(claim.next));
    }
    this.#changed();
  }

  #session(role: Role): WorkerSession {
    const { process, connect } = this.#parts;
    return new WorkerSession({
      process,
      role,
      connect: (end, address) => connect(role, end, address),
      hello: () => this.#hello(role),
      beat: () => this.#beat(role),
      onStands: (welcome) => this.#onStands(role, welcome),
      onWord: (word) => this.#onWord(role, word),
    });
  }

  // ---- what it says of itself

  #hello(role: Role): dispatch.Hello {
    const holds = this.#of(role).map(({ job, kind, id, fence, from, to }) => ({
      job,
      kind: WORK_KIND[kind],
      claim: id,
      fence,
      from: BigInt(from),
      to: BigInt(to),
    }));
    const { slots } = this.#parts;
    return create(dispatch.HelloSchema, { worker: this.id, pool: "pipe", version: "0.1.0", slots, holds });
  }

  #beat(role: Role): dispatch.Beat {
    const mine = [...this.#of(role), ...[...this.#races.values()].filter((race) => race.role === role)];
    const now = this.process.clock.now();
    const claims = mine.map(({ id, next, to, finished, running }) => ({
      claim: id,
      next: BigInt(Math.min(next, to)),
      finished: BigInt(finished),
      running: [...running].map(([index, since]) => ({
        index: BigInt(index),
        runningMs: BigInt(Math.floor(now - since)),
      })),
    }));
    const elsewhere = this.claims.size - this.#of(role).length;
    return create(dispatch.BeatSchema, { claims, claimsElsewhere: elsewhere });
  }

  #of(role: Role): WorkerClaim[] {
    return [...this.claims.values()].filter((claim) => claim.role === role);
  }

  #capacity(): number {
    if (this.#draining) return 0;
    const working = [...this.claims.values()].filter((claim) => !claim.isFinished).length + this.#races.size;
    return Math.max(0, Math.min(CLAIMS_MAX - working, HELD_MAX - this.claims.size));
  }

  #tellWants(): void {
    const claims = this.#capacity();
    for (const role of ROLES) {
      if (!this.#sessions[role].stands || this.#said[role] === claims) continue;
      this.#said[role] = claims;
      this.#say(role, { case: "want", value: create(dispatch.WantSchema, { claims }) });
    }
  }

  #say(role: Role, message: ToOwner): void {
    this.#sessions[role].say(message);
  }

  // ---- what owners say

  #onStands(role: Role, welcome: dispatch.Welcome): void {
    this.#said[role] = 0;
    this.#cutMs[role] = welcome.cutIntervalMs;
    const stand = new Map(welcome.stand.map((held) => [held.claim, held]));
    for (const [key, race] of this.#races) if (race.role === role) this.#races.delete(key);
    for (const claim of this.#of(role)) {
      const held = stand.get(claim.id);
      if (held === undefined) {
        this.claims.delete(claim.id);
        continue;
      }
      claim.fence = held.fence;
      this.#build(
        claim,
        claim.narrow(Number(held.from), Number(held.to), () => this.#newAttempt()),
      );
      if (claim.to < claim.assignedTo) this.#sayReleased(claim, claim.to);
      for (const cut of claim.cuts) if (cut.isStored) this.#sayCommit(claim, cut, claim.fence);
    }
    this.#changed();
  }

  #onWord(role: Role, word: ToWorker): void {
    switch (word.case) {
      case "assign":
        return this.#onAssign(role, word.value);
      case "race":
        return this.#onRace(role, word.value);
      case "committed":
        return this.#onCommitted(word.value);
      case "refused":
        return this.#onRefused(word.value);
      case "release": {
        const claim = this.claims.get(word.value.claim);
        const from = BigInt(claim?.release(Number(word.value.from)) ?? 0);
        this.#say(role, {
          case: "released",
          value: create(dispatch.ReleasedSchema, { claim: word.value.claim, from }),
        });
        return this.#changed();
      }
      case "cancel":
        return this.#onCancel(word.value);
      case "drain":
        return this.drain();
      case "beat":
        this.#cutMs[role] = word.value.cutIntervalMs;
        return;
      default:
    }
  }

  #onAssign(role: Role, assign: dispatch.Assign): void {
    this.#parts.checks.assigned(assign);
    this.#said[role] = Math.max(0, this.#said[role] - 1);
    const { claim: id, fence, job } = assign;
    const [from, to] = [Number(assign.from), Number(assign.to)];
    if (!this.claims.has(id)) {
      const claim = new WorkerClaim(
        role,
        { id, fence, job, kind: kindOf(assign.kind), from, to },
        this.process.clock.now(),
      );
      this.#enterPrior(claim, assign.prior);
      this.claims.set(id, claim);
    }
    if (this.#draining) return this.drain();
    this.#changed();
  }

  #onRace(role: Role, race: dispatch.Race): void {
    this.#parts.checks.raced(race);
    this.#said[role] = Math.max(0, this.#said[role] - 1);
    const { claim: id, fence, job } = race;
    const from = Number(race.index);
    const claim = new WorkerClaim(
      role,
      { id, fence, job, kind: kindOf(race.kind), from, to: from + 1 },
      this.process.clock.now(),
    );
    this.#enterPrior(claim, race.prior === undefined ? [] : [race.prior]);
    if (!this.#draining && !this.claims.has(id)) this.#races.set(`${id}/${from}`, claim);
    this.#changed();
  }

  #enterPrior(claim: WorkerClaim, prior: readonly dispatch.PriorTries[]): void {
    for (const { index, tries, quarantined } of prior) {
      claim.tries.set(Number(index), tries);
      if (quarantined) claim.quarantined.add(Number(index));
    }
  }

  #onCommitted({ claim: id, from, to }: dispatch.Committed): void {
    const interval = [Number(from), Number(to)] as const;
    const claim = this.#claimOf(id, interval[0], interval[1]);
    if (claim === undefined) return;
    this.#parts.checks.committed(claim.job, claim.kind, ...interval);
    claim.committed(...interval);
    this.#changed();
  }

  /** The claim that has this cut, or the backup. */
  #claimOf(id: string, from: number, to: number): WorkerClaim | undefined {
    return [this.claims.get(id), this.#races.get(`${id}/${from}`)].find((claim) =>
      claim?.cuts.some((cut) => cut.from === from && cut.to === to),
    );
  }

  #onRefused(refused: dispatch.Refused): void {
    const [from, to] = [Number(refused.from), Number(refused.to)];
    const claim = this.#claimOf(refused.claim, from, to);
    const cut = claim?.cuts.find((one) => one.from === from && one.to === to && one.isStored);
    if (claim === undefined || cut === undefined) return; // of a lie, or of what is over
    this.#parts.checks.note(() => `${this.id} is refused [${from}, ${to}) of ${claim.id}: ${refused.reason}`);
    switch (refused.code) {
      case RefusedCode.TRY_AGAIN:
        return void this.process.clock.timer(this.#parts.faults.between(100, 600), () => {
          if (claim.cuts.includes(cut)) this.#sayCommit(claim, cut, claim.fence);
        });
      case RefusedCode.BAD_RESULT:
        cut.bad++;
        if (cut.bad < BUILDS_MAX) return this.#build(claim, [cut]);
        claim.narrow(claim.from, cut.from, () => this.#newAttempt());
        return this.#gaveBack(claim);
      case RefusedCode.ALREADY_DONE:
      case RefusedCode.OUTSIDE_CLAIM: {
        const [stillFrom, stillTo] = [Number(refused.stillFrom), Number(refused.stillTo)];
        if (stillTo <= stillFrom) return this.#drop(claim);
        const again = claim.narrow(stillFrom, stillTo, () => this.#newAttempt());
        if (claim.cuts.includes(cut)) again.push(...claim.halve(cut, () => this.#newAttempt()));
        this.#build(claim, again);
        return this.#changed();
      }
      default:
        return this.#drop(claim);
    }
  }

  #gaveBack(claim: WorkerClaim): void {
    if (this.claims.get(claim.id) === claim) this.#sayReleased(claim, claim.to);
    this.#changed();
  }

  #drop(claim: WorkerClaim): void {
    claim.cuts = [];
    if (this.claims.get(claim.id) === claim) this.claims.delete(claim.id);
    for (const [key, race] of this.#races) if (race === claim) this.#races.delete(key);
    this.#changed();
  }

  #onCancel({ claim: id, index, reason }: dispatch.Cancel): void {
    for (const [key, race] of this.#races) {
      if (race.id === id && (index === undefined || race.holds(Number(index)))) this.#races.delete(key);
    }
    const claim = this.claims.get(id);
    if (claim !== undefined) {
      if (index === undefined) this.claims.delete(id);
      else if (reason !== dispatch.CancelReason.RESTARTED) claim.giveUp(Number(index));
    }
    this.#changed();
  }

  // ---- work

  /** Anything may have become possible: run, cut, forget what is over, tell what is wanted. */
  #changed(): void {
    if (!this.process.isAlive) return;
    for (const claim of [...this.claims.values(), ...this.#races.values()]) {
      this.#run(claim);
      this.#cutDue(claim);
    }
    for (const [id, claim] of this.claims) if (claim.isOver) this.claims.delete(id);
    for (const [key, race] of this.#races) if (race.isOver) this.#races.delete(key);
    if (this.#draining && this.claims.size === 0) return this.#leave();
    this.#tellWants();
  }

  #run(claim: WorkerClaim): void {
    while (this.#running < this.#parts.slots) {
      const index = claim.start();
      if (index === undefined) return;
      this.#running++;
      this.#try(claim, index);
    }
  }

  #try(claim: WorkerClaim, index: number): void {
    const { truth, slowness } = this.#parts;
    const { job, kind } = claim;
    claim.running.set(index, this.process.clock.now());
    const ms = claim.quarantined.has(index) ? 0 : truth.ms(job, kind, index) * slowness;
    this.process.clock.timer(ms, () => {
      claim.running.delete(index);
      const isDropped = !claim.holds(index) || !this.#has(claim);
      if (isDropped || claim.quarantined.has(index) || !truth.tryFails(job, kind, index)) {
        this.#running--;
        claim.finish(index, claim.quarantined.has(index));
        return this.#changed();
      }
      const tries = (claim.tries.get(index) ?? 0) + 1;
      claim.tries.set(index, tries);
      if (tries >= TRIES) {
        this.#running--;
        claim.finish(index, true);
        return this.#changed();
      }
      if (this.claims.has(claim.id)) {
        const value = create(dispatch.TryFailedSchema, { claim: claim.id, index: BigInt(index), tries });
        this.#say(claim.role, { case: "tryFailed", value });
      }
      this.#try(claim, index);
    });
  }

  #has(claim: WorkerClaim): boolean {
    return this.claims.get(claim.id) === claim || [...this.#races.values()].includes(claim);
  }

  #cutDue(claim: WorkerClaim): void {
    const { faults } = this.#parts;
    const now = this.process.clock.now();
    while (
      claim.ready > claim.cutFrom &&
      (claim.mustCut || this.#draining || now - claim.workSince >= this.#cutMs[claim.role] || faults.chance(0.1))
    ) {
      const cut = claim.cut(this.#newAttempt(), now);
      if (cut === null) return;
      this.#build(claim, [cut]);
    }
  }

  /** Stores runs, and says them when they are durable. */
  #build(claim: WorkerClaim, cuts: readonly Cut[]): void {
    const { faults } = this.#parts;
    for (const cut of cuts) {
      cut.isStored = false;
      const ms = faults.strikes("upload-fails", 3) ? faults.between(500, 3_000) : faults.between(0.5, 20);
      this.process.clock.timer(ms, () => {
        if (!claim.cuts.includes(cut)) return;
        this.#store(claim, cut, true);
        cut.isStored = true;
        this.#sayCommit(claim, cut, claim.fence);
      });
    }
  }

  #store(claim: WorkerClaim, { from, to, attempt }: Cut, isWhole: boolean): void {
    const header = create(store.ResultHeaderSchema, {
      job: claim.job,
      kind: WORK_KIND[claim.kind],
      from: BigInt(from),
      to: BigInt(to),
      attempt,
      worker: this.id,
    });
    this.#parts.store.put(attempt, { header, isWhole });
  }

  #sayCommit(claim: WorkerClaim, { from, to, attempt }: Cut, fence: bigint): void {
    const failed = claim.failedIn(from, to);
    const processMs = Math.ceil((to - from) * 60 * this.#parts.slowness);
    const totals = create(dispatch.TotalsSchema, {
      succeeded: BigInt(to - from - failed),
      failed: BigInt(failed),
      processMs: BigInt(processMs),
      medianMs: BigInt(Math.ceil(processMs / (to - from))),
    });
    const value = create(dispatch.CommitSchema, {
      claim: claim.id,
      fence,
      from: BigInt(from),
      to: BigInt(to),
      attempt,
      result: tableRef(attempt),
      totals,
    });
    this.#say(claim.role, { case: "commit", value });
  }

  #sayReleased({ role, id }: WorkerClaim, from: number): void {
    const value = create(dispatch.ReleasedSchema, { claim: id, from: BigInt(from) });
    this.#say(role, { case: "released", value });
  }

  #leave(): void {
    for (const role of ROLES) this.#sessions[role].close({ case: "leaving", value: create(dispatch.LeavingSchema) });
    this.#parts.onLeft();
  }

  /** The name of the run's object is that of its attempt. */
  #newAttempt(): string {
    return `${this.id}-${++this.#attempts}`;
  }
}
