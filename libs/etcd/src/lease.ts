/**
 * A lease and its renewal (etcd3's own announces a loss at twice the TTL, by the wall clock; not used).
 *
 * T1. Trust counts from the moment a renewal was SENT: the server cannot have begun its TTL before. A lease
 *     is trusted for 0.8 TTL from there; the rest covers the drift of the two clocks.
 * T2. Loss is final: once lost, never valid again, whatever arrives later.
 * T3. One renewal is under way at a time; one that is not answered in time is given up with its stream, and
 *     the next goes to the next member at once (E4).
 * T4. The monotonic clock stands still while the machine is suspended, the wall clock does not: when the wall
 *     clock has gained on it, the lease is not trusted until a renewal is answered (E2). Only a stop sooner.
 * T5. A timer that fires late (a blocked event loop) may find the answer waiting in the socket: it looks once
 *     more, after one turn of the event loop, before it calls the lease lost (E3).
 *
 * Nothing depends on any of this for correctness (L3): every write is fenced by comparison.
 */

import { backoff, type Clock, type Logger, type Timer } from "@sheaf/runtime";
import type { ILeaseKeepAliveRequest, ILeaseKeepAliveResponse } from "etcd3";
import type { Link } from "./channel.ts";
import type { Lease } from "./etcd.ts";
import { type Member, type Members, REQUIRE_LEADER } from "./members.ts";
import { openStream, type RawStream } from "./raw-stream.ts";

const TRUST = 0.8;
/** How far the wall clock may gain on the monotonic one before we take it for a suspend. */
const SUSPEND_MS = 1_000;

export interface LeaseParts {
  readonly members: Members;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends the lease on the server. */
  readonly revoke: (id: string) => Promise<unknown>;
  /** Called once when this lease needs no care any more. */
  readonly retired: (lease: KeptLease) => void;
}

/** A reading of both clocks. */
export interface Moment {
  readonly mono: number;
  readonly wall: number;
}

export function momentOf(clock: Clock): Moment {
  return { mono: clock.now(), wall: clock.wall() };
}

/** A stream of renewals, and what it runs over. */
interface OpenStream {
  readonly raw: RawStream<ILeaseKeepAliveRequest>;
  readonly member: Member;
  readonly link: Link;
}

export class KeptLease implements Lease {
  readonly id: string;
  readonly ttlSeconds: number;
  readonly lost: Promise<void>;
  readonly #parts: LeaseParts;
  readonly #resolveLost: () => void;
  readonly #backoff = backoff({ baseMs: 50, capMs: 1_000 });
  /** When the last answered renewal (first the grant) was sent. */
  #renewed: Moment;
  /** When the renewal under way was sent. */
  #asked: Moment | undefined;
  #state: "kept" | "stopped" | "lost" = "kept";
  #stream: OpenStream | undefined;
  /** Fires the next renewal, or the end of patience with the one under way. */
  #next: Timer | undefined;
  #expiry: Timer | undefined;

  /** `sent` is when the grant was sent. */
  constructor(id: string, ttlSeconds: number, sent: Moment, parts: LeaseParts) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.id = id;
    this.ttlSeconds = ttlSeconds;
    this.lost = promise;
    this.#resolveLost = resolve;
    this.#renewed = sent;
    this.#parts = parts;
    this.#expireLater();
    this.#renewIn(this.#periodMs);
  }

  valid(): boolean {
    const { clock } = this.#parts;
    const gained = clock.wall() - this.#renewed.wall - (clock.now() - this.#renewed.mono);
    return this.#state !== "lost" && clock.now() < this.#trustedUntil && gained < SUSPEND_MS; // T1, T2, T4
  }

  async revoke(): Promise<void> {
    this.stop();
    await this.#parts.revoke(this.id);
  }

  stop(): void {
    this.#retire("stopped");
  }

  get #periodMs(): number {
    return (this.ttlSeconds * 1_000) / 3;
  }

  /** How long a renewal waits for its answer, so that another try fits before the end of trust. */
  get #answerMs(): number {
    return Math.min(3_000, this.#periodMs / 2);
  }

  get #trustedUntil(): number {
    return this.#renewed.mono + TRUST * this.ttlSeconds * 1_000;
  }

  #renewIn(ms: number): void {
    this.#next?.cancel();
    this.#next = this.#parts.clock.timer(Math.max(0, ms), () => this.#renew());
  }

  #renew(): void {
    const { clock } = this.#parts;
    const stream = this.#stream ?? this.#open();
    this.#asked = momentOf(clock);
    this.#next = clock.timer(this.#answerMs, () => this.#giveUp("no answer in time")); // T3
    stream.raw.send({ ID: this.id });
  }

  #open(): OpenStream {
    const member = this.#parts.members.current();
    const { link } = member.channel;
    const raw: RawStream<ILeaseKeepAliveRequest> = openStream(
      () => member.raw.leaseClient.leaseKeepAlive(REQUIRE_LEADER),
      {
        message: (answer: ILeaseKeepAliveResponse) => this.#answered(answer),
        ended: (cause) => {
          if (this.#stream?.raw === raw) this.#giveUp(cause ?? "closed");
        },
      },
    );
    this.#stream = { raw, member, link };
    return this.#stream;
  }

  #answered(answer: ILeaseKeepAliveResponse): void {
    if (this.#state !== "kept" || this.#asked === undefined) return;
    if (Number(answer.TTL) <= 0) return this.#lose("the server does not know it any more"); // E5
    this.#parts.members.trouble.answered();
    this.#renewed = this.#asked;
    this.#asked = undefined;
    this.#backoff.reset();
    this.#expireLater();
    this.#renewIn(this.#renewed.mono + this.#periodMs - this.#parts.clock.now());
  }

  /** T3: another stream, on another member when there is one. */
  #giveUp(cause: string): void {
    if (this.#state !== "kept") return;
    this.#parts.log.debug({ lease: this.id, cause }, "lease: renewing on another stream");
    if (this.#stream !== undefined) {
      const { member, link } = this.#stream;
      member.channel.replace(link);
      this.#parts.members.failed(member, cause);
    }
    this.#dropStream();
    this.#renewIn(this.#backoff.next());
  }

  #expireLater(): void {
    const { clock } = this.#parts;
    this.#expiry?.cancel();
    const ms = Math.max(0, this.#trustedUntil - clock.now());
    this.#expiry = clock.timer(ms, () => setImmediate(() => this.#expire())); // T5
  }

  #expire(): void {
    if (this.#state !== "kept") return;
    // A timer may fire a little early, and a renewal may have moved the end: then it is not over yet.
    if (this.#parts.clock.now() < this.#trustedUntil) return this.#expireLater();
    this.#lose("no renewal was answered");
  }

  #lose(cause: string): void {
    this.#parts.log.warn({ lease: this.id, ttlSeconds: this.ttlSeconds, cause }, "lease: lost");
    this.#retire("lost");
    this.#resolveLost();
  }

  #retire(state: "stopped" | "lost"): void {
    if (this.#state !== "kept") return;
    this.#state = state;
    this.#next?.cancel();
    this.#expiry?.cancel();
    this.#dropStream();
    this.#parts.retired(this);
  }

  #dropStream(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#asked = undefined;
    stream?.raw.cancel();
  }
}
