import type { Clock } from "@sheaf/runtime";
import { cutInterval } from "../core/assign.ts";
import { nextStep } from "../core/hand-out.ts";
import type { Interval } from "../core/interval-set.ts";
import type { Partition } from "../core/partition.ts";
import { stragglersToRace } from "../core/race.ts";
import type { ClaimView, LedgerView, WorkerView } from "../core/view.ts";
import type { EtcdLedger } from "../owner/etcd-ledger.ts";
import type { Races } from "./races.ts";
import type { Roster } from "./roster.ts";
import type { Timing } from "./timing.ts";
import { assign, race, release } from "./words.ts";
import type { WorkerSession } from "./worker-session.ts";

export interface HandOutDeps {
  readonly clock: Clock;
  readonly timing: Timing;
  readonly roster: Roster;
  readonly races: Races;
  readonly ledgers: () => EtcdLedger[];
  /** Whether workers are served. */
  readonly serves: () => boolean;
  /** The lease of a session turned out to be gone. */
  readonly onLeaseGone: (session: WorkerSession) => void;
  /** A claim was written that nobody is there to take. */
  readonly onUnsent: (ledger: EtcdLedger, claim: string) => void;
}

/** The loop that gives work to those who want it: core/hand-out.ts decides, this says and writes it. */
export class HandOut {
  readonly #deps: HandOutDeps;
  #awake = false;

  constructor(deps: HandOutDeps) {
    this.#deps = deps;
  }

  /** Hands out soon: once for all that happens together. */
  wake(): void {
    if (this.#awake) return;
    this.#awake = true;
    queueMicrotask(() => {
      this.#awake = false;
      if (this.#deps.serves()) this.#run();
    });
  }

  /** Goes on until nobody wants or nothing is left to give. Claims are reserved at once and written with the next tick (L8). */
  #run(): void {
    const { clock, roster, races, ledgers } = this.#deps;
    const sessions = roster.open();
    const views = ledgers().map((ledger) => new LedgerInPool(ledger, sessions));
    if (!sessions.some(({ wants }) => wants > 0) && views.every(({ lost }) => lost.length === 0)) return;
    const workers = sessions.map((session) => viewOf(session, views));
    const cutIntervalMs = cutInterval(sessions.length);
    const isRaced = (claim: string, index: number) => races.isRaced(claim, index);
    let asking = sessions.reduce((sum, session) => sum + pendingOf(session), 0);
    for (;;) {
      const step = nextStep({ ledgers: views, workers, cutIntervalMs, now: clock.now(), asking, isRaced });
      if (step === null) return;
      if (step.kind === "steal" || step.kind === "make-way") {
        const tails = step.kind === "steal" ? [step] : step.tails;
        for (const { victim, claim, from } of tails) this.#steal(roster.get(victim) as WorkerSession, claim, from);
        asking += tails.length;
        continue;
      }
      const session = roster.get(step.worker) as WorkerSession;
      session.wants--;
      if (step.kind === "race") this.#race(session, step.ledger.ledger, step.claim, step.index);
      else {
        step.ledger.assigned(step.worker, step.start);
        void this.#assign(session, step.ledger.ledger, step.start, step.end);
      }
      workers[workers.findIndex(({ id }) => id === step.worker)] = viewOf(session, views);
    }
  }

  /** Stragglers that an idle worker, were there one, would back up. */
  stragglers(): number {
    const { clock, roster, races, ledgers } = this.#deps;
    const sessions = roster.open();
    const views = ledgers().map((ledger) => new LedgerInPool(ledger, sessions));
    return stragglersToRace(views, clock.now(), (claim, index) => races.isRaced(claim, index));
  }

  /** A worker has given back the tail of a claim from `from` on. */
  async released(session: WorkerSession, claim: string, from: number): Promise<void> {
    const held = session.claims.get(claim);
    if (held === undefined) return;
    const wasAsked = held.asked === "pending";
    if (wasAsked) held.asked = "answered";
    await this.#release(session, claim, from, wasAsked);
  }

  async #assign(session: WorkerSession, ledger: EtcdLedger, start: number, end: number): Promise<void> {
    const { clock, ledgers, onLeaseGone, onUnsent } = this.#deps;
    session.assigning++;
    session.given++;
    const outcome = await ledger.claim(session.worker, session.lease.id, start, end);
    session.assigning--;
    switch (outcome.kind) {
      case "session-gone":
        return onLeaseGone(session);
      case "not-claimed":
        session.wantsAgain();
        return this.wake();
      case "lost":
        return;
      case "claimed": {
        const { id } = outcome.claim;
        // The worker went, or the ledger was closed, while the claim was being written.
        if (session.state === "gone" || !ledgers().includes(ledger)) {
          session.wantsAgain();
          return onUnsent(ledger, id);
        }
        const now = clock.now();
        const assignment = ++session.assignments;
        session.claims.set(id, { ledger, assignedAt: now, assignment, saidAt: now, missed: 0, asked: "no" });
        session.say(assign(ledger, id, outcome.fence, start, end));
      }
    }
  }

  /** L6: asks for the tail; whoever does not answer is shrunk all the same. */
  #steal(victim: WorkerSession, claim: string, from: number): void {
    const { clock, timing } = this.#deps;
    const held = victim.claims.get(claim);
    if (held === undefined) return;
    held.asked = "pending";
    victim.say(release(claim, from));
    const shrink = () => {
      if (held.asked !== "pending") return;
      held.asked = "answered";
      void this.#release(victim, claim, from, true);
    };
    // What came while this owner was late is heard first: it may be the answer.
    clock.timer(timing.releaseMs, () => clock.timer(0, shrink));
  }

  async #release(session: WorkerSession, claim: string, from: number, isSteal: boolean): Promise<void> {
    const { ledger } = session.claims.get(claim) ?? {};
    if (ledger === undefined) return;
    const given = await ledger.release(claim, from);
    if (given && isSteal) ledger.stolen();
    if (!ledger.partition.claims.has(claim)) session.claims.delete(claim);
    this.wake();
  }

  #race(session: WorkerSession, ledger: EtcdLedger, claim: string, index: number): void {
    const { clock, races } = this.#deps;
    session.given++;
    const { fence } = ledger.partition.claims.get(claim) ?? {};
    const assignment = fence == null ? 0 : ++session.assignments;
    races.begin(session, claim, { ledger, index, assignedAt: clock.now(), assignment, missed: 0 });
    // A claim without a fence has just gone: nothing is said, and the next beats end the race.
    if (fence != null) session.say(race(ledger, claim, fence, index));
  }
}

function viewOf(session: WorkerSession, ledgers: readonly LedgerInPool[]): WorkerView {
  const { worker, slots, wants, claims, races, assigning } = session;
  const holds = claims.size + races.size + assigning;
  return { id: worker, slots, wants, holds, isAlone: ledgers.some((ledger) => ledger.holdsSuspect(worker)) };
}

function pendingOf({ claims }: WorkerSession): number {
  let count = 0;
  for (const { asked } of claims.values()) if (asked === "pending") count++;
  return count;
}

/** A ledger and the sessions that hold its claims, as the deciding functions see them. */
class LedgerInPool implements LedgerView {
  readonly ledger: EtcdLedger;
  /** Looked up once: a hand-out asks for each claim that it gives. */
  readonly suspects: readonly number[];
  readonly #suspectHolders: Set<string>;
  readonly #sessions: readonly WorkerSession[];

  constructor(ledger: EtcdLedger, sessions: readonly WorkerSession[]) {
    this.ledger = ledger;
    this.suspects = ledger.attempts.suspects;
    this.#suspectHolders = holdersOf(this.suspects, ledger.partition);
    this.#sessions = sessions;
  }

  holdsSuspect(worker: string): boolean {
    return this.#suspectHolders.has(worker);
  }

  /** The worker gets a claim that begins there. */
  assigned(worker: string, start: number): void {
    if (this.suspects.includes(start)) this.#suspectHolders.add(worker);
  }

  get order() {
    return this.ledger.order;
  }
  get n() {
    return this.ledger.partition.n;
  }
  get doneCount() {
    return this.ledger.partition.doneCount;
  }
  get free() {
    return this.ledger.partition.free;
  }
  get freeCount() {
    return this.ledger.partition.freeCount;
  }
  get lost() {
    return this.ledger.lostPieces.among(this.ledger.partition.free);
  }
  get handsOut() {
    return this.ledger.handsOut;
  }
  get speculation() {
    return this.ledger.speculation;
  }
  get medianMs() {
    return this.ledger.rates.medianMs();
  }

  msPerIndex(worker: string) {
    const ms = this.ledger.rates.msPerIndex(worker);
    const slots = this.#sessions.find((session) => session.worker === worker)?.slots ?? 1;
    return ms === null ? null : ms / slots;
  }

  most(start: number, size: number) {
    return this.ledger.lostPieces.most(start, size);
  }

  get claims(): ClaimView[] {
    const { claims } = this.ledger.partition;
    return this.#sessions.flatMap((session) =>
      [...session.claims].flatMap(([id, { ledger, saidAt, assignedAt, asked }]) => {
        const claim = claims.get(id);
        if (ledger !== this.ledger || claim === undefined) return [];
        const { worker, start, end, next, running } = claim;
        return [{ id, worker, start, end, next, running, saidAt, assignedAt, asked: asked !== "no" }];
      }),
    );
  }
}

function holdersOf(suspects: readonly number[], { claims }: Partition): Set<string> {
  if (suspects.length === 0) return new Set();
  const holds = ({ start, end }: Interval) => suspects.some((index) => start <= index && index < end);
  return new Set([...claims.values()].filter(holds).map(({ worker }) => worker));
}
