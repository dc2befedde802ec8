import type { Clock, Logger } from "@sheaf/runtime";
import { judge } from "../core/liveness.ts";
import type { ConnectedWorker } from "../door.ts";
import { ownDelay, silence, type Timing } from "./timing.ts";
import type { WorkerSession } from "./worker-session.ts";

export interface RosterDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly timing: Timing;
  readonly onGone: (session: WorkerSession, why: string) => void;
}

/** The sessions of one pool, and the loop that finds out whose worker is gone (core/liveness.ts decides). */
export class Roster {
  readonly #deps: RosterDeps;
  readonly #sessions = new Map<string, WorkerSession>();
  #tickedAt: number;
  #waitUntil: number | null = null;

  constructor(deps: RosterDeps) {
    this.#deps = deps;
    this.#tickedAt = deps.clock.now();
  }

  get size(): number {
    return this.#sessions.size;
  }

  get(worker: string): WorkerSession | undefined {
    return this.#sessions.get(worker);
  }

  all(): WorkerSession[] {
    return [...this.#sessions.values()];
  }

  open(): WorkerSession[] {
    return this.all().filter(({ state }) => state === "open");
  }

  workers(): ConnectedWorker[] {
    return this.all().map((session) => ({
      worker: session.worker,
      pool: session.pool,
      slots: session.slots,
      version: session.version,
      claims: session.claims.size + session.races.size + session.assigning,
      claimsElsewhere: session.claimsElsewhere,
      given: session.given,
      draining: session.draining,
      since: session.sinceMs,
    }));
  }

  add(session: WorkerSession): void {
    this.#sessions.set(session.worker, session);
  }

  delete(session: WorkerSession): void {
    this.#sessions.delete(session.worker);
  }

  /** The session's stream is gone: the worker may come back within the grace. */
  broken(session: WorkerSession): void {
    const { clock, timing } = this.#deps;
    session.state = "broken";
    session.brokenAt = clock.now();
    session.detach();
    session.grace = clock.timer(timing.brokenGraceMs, () => {
      // What came while this owner was late is heard first: it may be that worker.
      session.grace = clock.timer(0, () => this.look());
    });
  }

  /** To be called every `intervalMs`: by what it comes late the owner itself was away, which counts for no worker. */
  tick(intervalMs: number): void {
    const now = this.#deps.clock.now();
    const delay = ownDelay(now - this.#tickedAt, intervalMs);
    this.#tickedAt = now;
    for (const session of this.#sessions.values()) {
      session.heardAt += delay;
      if (session.brokenAt !== null) session.brokenAt = Math.min(now, session.brokenAt + delay);
    }
    this.look();
  }

  look(): void {
    const { clock, timing, log, onGone } = this.#deps;
    const pulses = this.all().map(({ worker, brokenAt, heardAt }) => ({ id: worker, brokenAt, heardAt }));
    const before = this.#waitUntil;
    const patience = { ...timing, silentMs: silence(timing, pulses.length) };
    const { gone, waitUntil } = judge(pulses, clock.now(), patience, before);
    this.#waitUntil = waitUntil;
    if (waitUntil !== null && before === null) {
      log.warn(
        { sessions: pulses.length, massMs: timing.massMs },
        "many workers are silent together: waiting for them",
      );
    }
    for (const worker of gone) {
      const session = this.#sessions.get(worker);
      const why = session?.brokenAt == null ? "it is silent" : "its stream broke and it did not come back";
      if (session !== undefined) onGone(session, why);
    }
  }
}
