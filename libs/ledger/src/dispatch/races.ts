import { dispatch } from "@sheaf/proto";
import type { Roster } from "./roster.ts";
import { cancel } from "./words.ts";
import type { SessionRace, WorkerSession } from "./worker-session.ts";

/**
 * The backups of stragglers that run (L7). A race holds nothing: it is one more worker under the fence of somebody's claim. So it
 * is over, and its loser told to stop, as soon as the index is committed by either, or the claim is gone.
 */
export class Races {
  readonly #roster: Roster;
  /** The worker that runs the backup, by claim: one index of a claim is raced at a time. */
  readonly #racers = new Map<string, string>();
  /** By claim, the indexes that had a backup: one that ended by itself has failed, and would fail again. */
  readonly #had = new Map<string, Set<number>>();

  constructor(roster: Roster) {
    this.#roster = roster;
  }

  /** Whether another index of the claim is raced, or this one was. */
  isRaced(claim: string, index: number): boolean {
    return this.#racers.has(claim) || this.#had.get(claim)?.has(index) === true;
  }

  begin(session: WorkerSession, claim: string, race: SessionRace): void {
    this.#racers.set(claim, session.worker);
    this.#had.set(claim, (this.#had.get(claim) ?? new Set()).add(race.index));
    session.races.set(claim, race);
  }

  /** [from, to) of the claim is committed, by `winner`: whoever else works on it stops. */
  committed(claim: string, holder: string | undefined, from: number, to: number, winner: WorkerSession): void {
    const racer = this.#roster.get(this.#racers.get(claim) ?? "");
    const race = racer?.races.get(claim);
    if (racer === undefined || race === undefined || race.index < from || race.index >= to) return;
    this.end(claim);
    if (racer !== winner) return racer.say(cancel(claim, dispatch.CancelReason.RACE_LOST));
    const loser = holder === undefined ? undefined : this.#roster.get(holder);
    loser?.say(cancel(claim, dispatch.CancelReason.RACE_LOST, race.index));
  }

  /** The backup of the index, if one runs, is to begin again. */
  restart(claim: string, index: number): void {
    const racer = this.#roster.get(this.#racers.get(claim) ?? "");
    if (racer?.races.get(claim)?.index !== index) return;
    racer.say(cancel(claim, dispatch.CancelReason.RESTARTED, index));
  }

  /** The claim is gone: what runs under its fence is in vain. */
  claimGone(claim: string, reason: dispatch.CancelReason): void {
    this.#had.delete(claim);
    const racer = this.#roster.get(this.#racers.get(claim) ?? "");
    if (this.end(claim)) racer?.say(cancel(claim, reason));
  }

  /** The racer does not run it any more. False: nobody did. */
  end(claim: string): boolean {
    const racer = this.#racers.get(claim);
    this.#roster.get(racer ?? "")?.races.delete(claim);
    return this.#racers.delete(claim);
  }

  /** What it raced was not decided: another may race it. */
  racerGone(session: WorkerSession): void {
    for (const [claim, { index }] of session.races) {
      this.#racers.delete(claim);
      this.#had.get(claim)?.delete(index);
    }
    session.races.clear();
  }
}
