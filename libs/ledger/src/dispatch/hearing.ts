import { dispatch } from "@sheaf/proto";
import type { Clock, Logger } from "@sheaf/runtime";
import type { Running } from "../core/partition.ts";
import type { EtcdLedger } from "../owner/etcd-ledger.ts";
import type { Followers } from "./followers.ts";
import type { HandOut } from "./hand-out.ts";
import type { Races } from "./races.ts";
import { takeCommit, type VerifyResult } from "./take-commit.ts";
import type { SessionClaim, SessionRace, WorkerSession } from "./worker-session.ts";

export interface HearingDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly verify: VerifyResult;
  readonly races: Races;
  readonly handOut: HandOut;
  /** A claim that its worker does not name any more. */
  readonly onDropped: (session: WorkerSession, claim: string, ledger: EtcdLedger) => void;
  readonly onLiar: (session: WorkerSession) => void;
  readonly followers: Followers;
}

/** Beats that may miss a claim before it is freed. */
const MISSED_BEATS = 2;
/** Characters that are kept of what a command says about itself. */
const PROGRESS_MAX = 200;
/** Commits that no honest worker sends, before its session is closed. */
const LIES_MAX = 3;

/** A claim that is missing from two beats that have heard its Assign. */
function isMissing(held: SessionClaim | SessionRace, { heard }: dispatch.Beat): boolean {
  return heard >= held.assignment && ++held.missed >= MISSED_BEATS;
}

/** What the words of a worker do, except its first and its last. */
export class Hearing {
  readonly #deps: HearingDeps;

  constructor(deps: HearingDeps) {
    this.#deps = deps;
  }

  hear(session: WorkerSession, { message }: dispatch.SessionRequest): void {
    switch (message.case) {
      case "want":
        session.wants = session.draining ? 0 : message.value.claims;
        return this.#deps.handOut.wake();
      case "beat":
        return this.#beat(session, message.value);
      case "commit":
        return void this.#commit(session, message.value);
      case "released":
        return void this.#deps.handOut.released(session, message.value.claim, Number(message.value.from));
      case "tryFailed": {
        const { claim, index, tries } = message.value;
        return void session.claims.get(claim)?.ledger.tried(claim, Number(index), tries);
      }
      case "liveLog": {
        const { value } = message;
        const job = session.claims.get(value.claim)?.ledger.name.job;
        return job === undefined ? undefined : this.#deps.followers.heard({ job, worker: session.worker, live: value });
      }
      default:
        return;
    }
  }

  #beat(session: WorkerSession, beat: dispatch.Beat): void {
    const { clock, races, onDropped } = this.#deps;
    session.claimsElsewhere = beat.claimsElsewhere;
    const now = clock.now();
    const named = new Map(beat.claims.map((position) => [position.claim, position]));
    for (const [id, held] of [...session.claims]) {
      const position = named.get(id);
      if (!held.ledger.partition.claims.has(id)) session.claims.delete(id);
      else if (position !== undefined) this.#position(id, held, position, now);
      else if (isMissing(held, beat)) onDropped(session, id, held.ledger);
    }
    for (const [id, held] of [...session.races]) {
      if (named.has(id)) held.missed = 0;
      else if (isMissing(held, beat)) races.end(id);
    }
    this.#deps.handOut.wake();
  }

  #position(id: string, held: SessionClaim, position: dispatch.HeldPosition, now: number): void {
    held.missed = 0;
    held.saidAt = now;
    if (held.asked === "answered") held.asked = "no";
    const running = position.running.map((each) => runningOf(each, now));
    held.ledger.partition.position(id, Number(position.next), Number(position.finished), running);
    held.ledger.changed();
  }

  async #commit(session: WorkerSession, commit: dispatch.Commit): Promise<void> {
    const { verify, races, handOut } = this.#deps;
    const own = session.claims.get(commit.claim);
    const race = own === undefined ? session.races.get(commit.claim) : undefined;
    const ledger = own?.ledger ?? race?.ledger;
    const holder = ledger?.partition.claims.get(commit.claim)?.worker;
    const subject = ledger === undefined ? null : { ledger, raced: race?.index ?? null };
    const { word, isLie } = await takeCommit(verify, session.worker, subject, commit);
    if (word.case === "committed") {
      races.committed(commit.claim, holder, Number(commit.from), Number(commit.to), session);
    } else if (race !== undefined) races.end(commit.claim);
    if (ledger?.partition.claims.has(commit.claim) === false) {
      session.claims.delete(commit.claim);
      races.claimGone(commit.claim, dispatch.CancelReason.RACE_LOST);
    }
    session.say(word);
    if (isLie) this.#lied(session, commit, word.value as dispatch.Refused);
    if (ledger === undefined) return;
    await ledger.settle();
    handOut.wake();
  }

  #lied(session: WorkerSession, commit: dispatch.Commit, { code, reason }: dispatch.Refused): void {
    const { log, onLiar } = this.#deps;
    session.lies++;
    const { claim, fence, from, to } = commit;
    log.error(
      {
        worker: session.worker,
        claim,
        fence: String(fence),
        from: String(from),
        to: String(to),
        code,
        lies: session.lies,
      },
      `a commit that no sound worker sends was refused: ${reason}`,
    );
    if (session.lies >= LIES_MAX) onLiar(session);
  }
}

function runningOf({ index, runningMs, progress }: dispatch.RunningIndex, now: number): Running {
  const running = { index: Number(index), sinceMs: now - Number(runningMs) };
  return progress === "" ? running : { ...running, progress: progress.slice(0, PROGRESS_MAX).toWellFormed() };
}
