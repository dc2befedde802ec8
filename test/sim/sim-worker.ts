/**
 * A worker: a model of services/worker that keeps the dispatch protocol honestly (and lies when it is told to), and keeps results
 * until the owner has answered.
 */
import type { LedgerKind } from "@sheaf/ledger";
import { dispatch } from "@sheaf/proto";
import type { Link, ToOwner, ToWorker, WorkerEnd } from "./link.ts";
import type { Process } from "./process.ts";
import { kindOf } from "./sim-store.ts";
import { Bench, type BenchParts } from "./worker-bench.ts";
import { type Cut, type Role, WorkerClaim } from "./worker-claim.ts";
import { WorkerSession } from "./worker-session.ts";
import * as words from "./worker-words.ts";

export interface WorkerParts extends BenchParts {
  readonly connect: (role: Role, end: WorkerEnd, address: string) => Link | null;
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
/** What it says that an index takes. */
const MS_PER_INDEX = 60;
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
  readonly #bench: Bench;
  #draining = false;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.process = parts.process;
    this.id = parts.process.name;
    this.#bench = new Bench(parts, {
      holds: (claim) => this.claims.get(claim.id) === claim || [...this.#races.values()].includes(claim),
      onTryFailed: (claim, index, tries) => {
        // Not said of an index that is raced.
        if (this.claims.get(claim.id) === claim) this.#say(claim.role, words.tryFailed(claim.id, index, tries));
      },
      onFinished: () => this.#changed(),
      onStored: (claim, cut) => this.#sayCommit(claim, cut, claim.fence),
    });
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
    const cut: Cut = { from: claim.from, to: claim.to, attempt: this.#bench.newAttempt(), bad: 0, isStored: true };
    if (what === "outside") Object.assign(cut, { from: claim.from, to: (claim.assignedTo + faults.between(1, 9)) | 0 });
    if (what === "part") Object.assign(cut, { from: claim.from + 1, to: claim.to - 1 });
    if (cut.from >= cut.to) return;
    const [from, to] = what === "header" ? [cut.from, cut.to + 1] : [cut.from, cut.to];
    this.#bench.store(claim, { ...cut, from, to }, what !== "missing");
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
      hello: () => words.hello(this.id, this.#parts.slots, this.#of(role)),
      beat: (heard) => this.#beat(role, heard),
      onStands: (welcome) => this.#onStands(role, welcome),
      onWord: (word) => this.#onWord(role, word),
    });
  }

  // ---- what it says of itself

  #beat(role: Role, heard: number): dispatch.Beat {
    const mine = [...this.#of(role), ...[...this.#races.values()].filter((race) => race.role === role)];
    return words.beat(this.process.clock.now(), mine, this.claims.size - this.#of(role).length, heard);
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
      this.#say(role, words.want(claims));
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
      this.#bench.build(claim, claim.narrow(Number(held.from), Number(held.to), this.#newAttempt));
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
        const { claim, from } = word.value;
        this.#say(role, words.released(claim, this.claims.get(claim)?.release(Number(from)) ?? 0));
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
        if (cut.bad < BUILDS_MAX) return this.#bench.build(claim, [cut]);
        claim.narrow(claim.from, cut.from, this.#newAttempt);
        return this.#gaveBack(claim);
      case RefusedCode.ALREADY_DONE:
      case RefusedCode.OUTSIDE_CLAIM: {
        const [stillFrom, stillTo] = [Number(refused.stillFrom), Number(refused.stillTo)];
        if (stillTo <= stillFrom) return this.#drop(claim);
        const again = claim.narrow(stillFrom, stillTo, this.#newAttempt);
        if (claim.cuts.includes(cut)) again.push(...claim.halve(cut, this.#newAttempt));
        this.#bench.build(claim, again);
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
      this.#bench.run(claim);
      this.#bench.cutDue(claim, this.#draining ? 0 : this.#cutMs[claim.role]);
    }
    for (const [id, claim] of this.claims) if (claim.isOver) this.claims.delete(id);
    for (const [key, race] of this.#races) if (race.isOver) this.#races.delete(key);
    if (this.#draining && this.claims.size === 0) return this.#leave();
    this.#tellWants();
  }

  #sayCommit(claim: WorkerClaim, cut: Cut, fence: bigint): void {
    this.#say(claim.role, words.commit(claim, cut, fence, MS_PER_INDEX * this.#parts.slowness));
  }

  #sayReleased({ role, id }: WorkerClaim, from: number): void {
    this.#say(role, words.released(id, from));
  }

  #leave(): void {
    for (const role of ROLES) this.#sessions[role].close(words.leaving());
    this.#parts.onLeft();
  }

  readonly #newAttempt = () => this.#bench.newAttempt();
}
