/**
 * The engine: the thread that works. It keeps the claim book, sets plan, process and merge work going, and answers what the
 * owners say. It talks to the main thread by messages only, so that beats never wait for it.
 *
 * E3. What it holds is told after every change of the book; how far it is, ten times a second.
 * E4. What is said to an owner takes its last greeting into account: the main thread drops what was said for an earlier one,
 *     because a commit under the fence of then would be refused and its claim lost (L3). So all that an owner must know, and
 *     may not have heard, is said again when a session stands.
 */
import { create } from "@bufbuild/protobuf";
import { dispatch } from "@sheaf/proto";
import { type Clock, type Logger, messageOf, type Timer } from "@sheaf/runtime";
import type { ClaimBook } from "../claims/book.ts";
import type { Claim } from "../claims/claim.ts";
import type { Interval, Owner } from "../claims/terms.ts";
import type { Floor } from "../process/floor.ts";
import { Committer } from "./committer.ts";
import type { FromEngine, Saying, ToEngine } from "./messages.ts";
import type { Solo } from "./solo.ts";

const CUT_BYTES = 64 * 1024 * 1024;
/** Until an owner says otherwise. */
const CUT_INTERVAL_MS = 1_000;
/** How often it looks whether something is to be cut while nothing finishes. */
const LOOK_MS = 100;
/** No new claims for so long after one could not go on here. */
const PAUSE_MS = 5_000;

export interface EngineParts {
  readonly book: ClaimBook;
  readonly floor: Floor;
  /** Plan and merge work. */
  readonly solos: Readonly<Record<"plan" | "merge", Solo>>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly send: (message: FromEngine) => void;
}

export class Engine {
  readonly #parts: EngineParts;
  readonly #committer: Committer;
  #cutIntervalMs = CUT_INTERVAL_MS;
  #assigned = 0;
  readonly #greetings = new Map<Owner, number>();
  #look: Timer | undefined;
  #willTell = false;
  #draining = false;
  #drained = false;
  #pausedUntil = 0;
  #stopped = false;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#committer = new Committer({
      ...parts,
      uploads: parts.floor.uploads,
      say: (owner, saying) => this.#say(owner, saying),
      onBuilt: () => this.changed(),
      onBuildFailed: (claim, error) => this.#onBuildFailed(claim, error),
    });
  }

  start(): void {
    this.#lookAgain();
  }

  stop(): void {
    this.#stopped = true;
    this.#look?.cancel();
    this.#parts.floor.close();
  }

  handle(message: Exclude<ToEngine, { t: "open" }>): void {
    switch (message.t) {
      case "assign":
        this.#assigned++;
        this.#parts.book.assign(message.claim);
        if (this.#draining) this.#giveBackTails();
        break;
      case "release":
        this.#onRelease(message);
        break;
      case "committed":
        this.#onCommitted(message.claim, message.interval);
        break;
      case "refused":
        this.#onRefused(message);
        break;
      case "cancel":
        this.#onCancel(message);
        break;
      case "standing":
        this.#onStanding(message);
        break;
      case "lost":
        this.#parts.book.sessionLost(message.owner);
        break;
      case "pace":
        this.#cutIntervalMs = message.cutIntervalMs;
        return;
      case "follow":
        return this.#parts.floor.follow(message.follow);
      case "drain":
        this.#draining = true;
        this.#giveBackTails();
        break;
      case "stop":
        return this.stop();
    }
    this.changed();
  }

  /** The book changed: cut what is due, begin what may begin, tell. */
  changed(): void {
    if (this.#stopped) return;
    this.#cutDue();
    this.#parts.floor.wake();
    this.#beginSolo();
    this.#tellSoon();
  }

  /** An index has its outcome. Often nothing else follows from it. */
  finished(claim: Claim): void {
    if (claim.isFinished) this.changed();
    else this.#cutDue();
  }

  /** Others follow. */
  tryFailed(claim: Claim, index: number, tries: number): void {
    claim.tried(index, tries);
    this.#sayTryFailed(claim, index, tries);
  }

  liveLog({ assigned: { owner } }: Claim, value: dispatch.LiveLog): void {
    this.#say(owner, { case: "liveLog", value });
  }

  /** What is raced failed here: who holds the claim may fare better. */
  raceFailed(claim: Claim): void {
    this.#parts.book.drop(claim);
    this.changed();
  }

  /** A claim cannot go on here, for want of room or of its plan: somebody else may have what was not started. */
  cannotGoOn(claim: Claim): void {
    const { book, clock } = this.#parts;
    this.#pausedUntil = clock.now() + PAUSE_MS;
    if (claim.assigned.isRace) book.drop(claim);
    else this.#sayReleased(claim, book.release(claim.assigned.id, claim.next));
    this.changed();
  }

  // ---- what owners say

  #onRelease({ owner, claim: id, from }: ToEngine & { t: "release" }): void {
    this.#say(owner, released(id, this.#parts.book.release(id, from)));
  }

  #onCommitted(id: string, interval: Interval): void {
    const { book, floor, solos } = this.#parts;
    const claim = book.committed(id, interval);
    if (claim === undefined) return;
    if (claim.assigned.kind === "process") floor.uploads.committed(claim, interval);
    else solos[claim.assigned.kind].committed(claim, interval);
  }

  #onRefused({ claim: id, interval, code, reason, still }: ToEngine & { t: "refused" }): void {
    const { book, log } = this.#parts;
    for (const claim of book.named(id, interval.from)) {
      log.warn({ claim: id, ...interval, code, reason }, `a commit was refused: ${reason}`);
      const after = book.refused(claim, interval, code, still);
      if (after.kind === "again") this.#committer.sayLater(claim, after.cut);
      else if (after.kind === "recut") this.#committer.rebuild(after.cuts.map((cut) => ({ claim, cut })));
      else if (after.kind === "given-back") this.#sayReleased(claim, after.from);
    }
  }

  #onCancel({ claim: id, index, reason }: ToEngine & { t: "cancel" }): void {
    const { book, floor } = this.#parts;
    if (index === undefined) {
      for (const claim of book.named(id)) book.drop(claim);
    } else if (reason === dispatch.CancelReason.RESTARTED) {
      for (const claim of book.named(id, index)) floor.restart(claim, index);
    } else this.#committer.rebuild(book.giveUp(id, index));
  }

  /** E4. */
  #onStanding({ owner, greeting, stand }: ToEngine & { t: "standing" }): void {
    const { book, floor } = this.#parts;
    this.#greetings.set(owner, greeting);
    if (owner === "master") floor.follow(0);
    const known = new Set(book.claims.map(({ assigned }) => assigned.id));
    this.#committer.rebuild(book.standing(owner, stand));
    for (const id of stand.keys()) if (!known.has(id)) this.#say(owner, released(id, 0));
    for (const claim of book.claims) {
      if (claim.assigned.owner !== owner) continue;
      for (const [index, tries] of claim.openTries()) this.#sayTryFailed(claim, index, tries);
      // What was given back to a broken stream was not heard.
      if (claim.to < claim.assigned.to) this.#sayReleased(claim, claim.to);
    }
    this.#committer.sayAll(owner);
  }

  // ---- what owners are told

  #say(owner: Owner, saying: Saying): void {
    this.#parts.send({ t: "say", owner, greeting: this.#greetings.get(owner) ?? 0, saying });
  }

  #sayTryFailed({ assigned: { owner, id } }: Claim, index: number, tries: number): void {
    const value = create(dispatch.TryFailedSchema, { claim: id, index: BigInt(index), tries });
    this.#say(owner, { case: "tryFailed", value });
  }

  #sayReleased({ assigned: { owner, id } }: Claim, from: number): void {
    this.#say(owner, released(id, from));
  }

  #giveBackTails(): void {
    for (const { claim, from } of this.#parts.book.releaseTails()) this.#sayReleased(claim, from);
  }

  /** All that is not committed of the claim is worthless here; somebody else may do it again. */
  #giveBack(claim: Claim): void {
    const { from } = claim;
    this.#parts.book.drop(claim);
    if (!claim.assigned.isRace) this.#sayReleased(claim, from);
  }

  // ---- troubles

  /** The store did not take results, for longer than it was waited for. Other results may lie in the same packs. */
  #onBuildFailed(claim: Claim, error: unknown): void {
    const { book, clock, floor, log } = this.#parts;
    const { id, kind } = claim.assigned;
    log.error({ err: error, claim: id }, `cannot store results: ${messageOf(error)}`);
    this.#pausedUntil = clock.now() + PAUSE_MS;
    for (const each of book.claims) if (each.assigned.kind === kind) this.#giveBack(each);
    if (kind === "process") floor.uploads.reset();
  }

  /** Not the user's fault, and perhaps of this worker alone. */
  #onSoloFailed(claim: Claim, error: unknown): void {
    const { book, clock, log } = this.#parts;
    const { id, kind, job } = claim.assigned;
    log.error({ err: error, claim: id, job }, `${kind} work failed: ${messageOf(error)}`);
    this.#pausedUntil = clock.now() + PAUSE_MS;
    if (book.has(claim)) this.#giveBack(claim);
  }

  // ---- work

  #cutDue(): void {
    this.#committer.cutDue({ cutIntervalMs: this.#draining ? 0 : this.#cutIntervalMs, cutBytes: CUT_BYTES });
  }

  #beginSolo(): void {
    for (const kind of ["plan", "merge"] as const) {
      const claim = this.#parts.book.nextToPrepare(kind);
      const solo = this.#parts.solos[kind];
      if (claim === undefined || solo.isBusy) continue;
      void solo
        .work(claim)
        .catch((error) => this.#onSoloFailed(claim, error))
        .then(() => this.changed());
    }
  }

  #lookAgain(): void {
    this.#look = this.#parts.clock.timer(LOOK_MS, () => {
      if (this.#parts.book.size > 0 || this.#pausedUntil > 0) this.changed();
      this.#lookAgain();
    });
  }

  // ---- what the main thread sees

  /** E3. Once for all that happens in one turn of the event loop. */
  #tellSoon(): void {
    if (this.#willTell) return;
    this.#willTell = true;
    setImmediate(() => this.#tell());
  }

  #tell(): void {
    this.#willTell = false;
    if (this.#stopped) return;
    const { book, clock, send } = this.#parts;
    if (clock.now() >= this.#pausedUntil) this.#pausedUntil = 0;
    const capacity = this.#draining || this.#pausedUntil > 0 ? 0 : book.capacity();
    send({ t: "holds", holds: book.holds(clock.now()), capacity, assigned: this.#assigned });
    this.#committer.forget();
    if (!this.#draining || this.#drained || book.size > 0) return;
    this.#drained = true;
    send({ t: "drained" });
  }
}

function released(claim: string, from: number): Saying {
  return { case: "released", value: create(dispatch.ReleasedSchema, { claim, from: BigInt(from) }) };
}
