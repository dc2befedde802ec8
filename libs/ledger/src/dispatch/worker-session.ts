import { create } from "@bufbuild/protobuf";
import type { Lease } from "@sheaf/etcd";
import { dispatch } from "@sheaf/proto";
import type { Timer } from "@sheaf/runtime";
import type { SessionStream } from "../door.ts";
import type { EtcdLedger } from "../owner/etcd-ledger.ts";

/** What an owner says. */
export type Word = Exclude<dispatch.SessionResponse["message"], { case: undefined }>;

/** What beats tell of a claim or a race. Times are of the owner's clock, in milliseconds. */
interface Listed {
  readonly assignedAt: number;
  /** Its number among the assignments of the stream: beats that have not heard so many do not count. 0: the worker showed it itself. */
  assignment: number;
  /** Beats in a row that did not name it. */
  missed: number;
}

/** A claim as its session sees it. */
export interface SessionClaim extends Listed {
  readonly ledger: EtcdLedger;
  /** When the worker last said where it is. */
  saidAt: number;
  /** Its tail was asked for: `pending` until the worker answers, then `answered` until its next beat. */
  asked: "no" | "pending" | "answered";
}

/** A backup that a worker runs, of an index of somebody else's claim (L7). */
export interface SessionRace extends Listed {
  readonly ledger: EtcdLedger;
  readonly index: number;
}

/**
 * A worker at this owner: its stream, its lease, and what it holds. It outlives its stream by a short grace:
 *
 *     open --stream breaks--> broken --Hello within the grace--> open
 *       |                        |
 *       +--silent, left, lease---+--grace is over--> gone
 */
export class WorkerSession {
  readonly worker: string;
  readonly pool: string;
  readonly slots: number;
  readonly version: string;
  readonly lease: Lease;
  readonly sinceMs: number;
  readonly claims = new Map<string, SessionClaim>();
  /** By the claim that is raced. */
  readonly races = new Map<string, SessionRace>();
  state: "open" | "broken" | "gone" = "broken";
  /** Claims that the worker would take now. */
  wants = 0;
  /** Claims that are being written for it. */
  assigning = 0;
  claimsElsewhere = 0;
  /** Clock time of the last word of the worker, in milliseconds. */
  heardAt = 0;
  /** When the stream broke; null: it is open. */
  brokenAt: number | null = null;
  draining = false;
  /** Settles when it is known which of the claims that it showed stand: until then some of them may come under its lease. */
  standing: Promise<unknown> = Promise.resolve();
  /** Commits that no honest worker sends. */
  lies = 0;
  /** Assignments that were said on this stream. */
  assignments = 0;
  /** Claims and races that it was given, on all its streams. */
  given = 0;
  /** Runs while the stream is broken. */
  grace: Timer | null = null;
  #stream: SessionStream | null = null;

  constructor(hello: dispatch.Hello, lease: Lease, sinceMs: number) {
    this.worker = hello.worker;
    this.pool = hello.pool;
    this.slots = Math.max(1, hello.slots);
    this.version = hello.version;
    this.lease = lease;
    this.sinceMs = sinceMs;
  }

  /** Whether `stream` is the one that speaks for this session now. */
  speaks(stream: SessionStream): boolean {
    return this.#stream === stream;
  }

  /** Takes a new stream: the first, or one after a break. */
  attach(stream: SessionStream, now: number): void {
    this.grace?.cancel();
    this.#stream?.close();
    this.#stream = stream;
    this.state = "open";
    this.heardAt = now;
    this.brokenAt = null;
    this.wants = 0;
    // A Hello lists all that the worker holds, whatever the last stream brought.
    this.assignments = 0;
    for (const held of [...this.claims.values(), ...this.races.values()]) held.assignment = 0;
  }

  /** What it was to get it did not get, and it does not say again that it wants it. */
  wantsAgain(): void {
    if (!this.draining) this.wants++;
  }

  /** The stream is gone. */
  detach(): void {
    this.grace?.cancel();
    this.#stream?.close();
    this.#stream = null;
    this.wants = 0;
  }

  /** Says something. A stream that is gone says nothing: the session's state tells, not the failure of a message. */
  say(message: Word): void {
    this.#stream?.send(create(dispatch.SessionResponseSchema, { message })).catch(() => this.#stream?.close());
  }
}
