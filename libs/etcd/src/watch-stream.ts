/**
 * One watch stream from one revision on, until it ends for any reason. It knows etcd's protocol; `watch.ts`
 * decides what follows from an end.
 *
 * W1. Events are handed over by whole revisions: fragments of one response are joined first.
 * W2. A stream that says nothing is dead: we ask for progress every interval, and when nothing at all was heard
 *     from one question to the next, it ends. (TCP may take minutes to notice; a stopped server keeps its
 *     connections open.) But etcd answers only when its store has reached the revision that we begin with: on
 *     an idle etcd, where that one is still to come, silence is its answer. So then a read decides.
 */

import { type Clock, messageOf, type Timer } from "@sheaf/runtime";
import type { IEvent, IWatchRequest, IWatchResponse } from "etcd3";
import type { Revision, WatchEvent } from "./etcd.ts";
import { type Member, REQUIRE_LEADER } from "./members.ts";
import { openStream, type RawStream } from "./raw-stream.ts";
import { keyBytes, prefixEnd, toKeyValue } from "./wire.ts";

/** How often we ask whether the stream lives, and how long it may take to answer, or to create the watch. */
const PROGRESS_MS = 5_000;

export type StreamEnd =
  | { readonly kind: "closed" }
  /** The connection, the member or its leader went: resume where we were. */
  | { readonly kind: "cut"; readonly cause: string; readonly silent?: boolean }
  /** The revisions that we want are compacted: only a new list can help (E10). */
  | { readonly kind: "compacted"; readonly compactRevision: Revision }
  /** The server refuses the watch: not permitted, or a bug. */
  | { readonly kind: "denied"; readonly cause: string };

export interface WatchStreamHandler {
  /** The server has created the watch; `revision` is its store's newest then. */
  created(revision: Revision): void;
  events(events: readonly WatchEvent[]): void;
  /** All events up to this revision have been handed over. */
  progress(revision: Revision): void;
}

export interface WatchPlace {
  readonly member: Member;
  readonly prefix: string;
  /** The first revision that is wanted. */
  readonly from: Revision;
  /** Reads the store's newest revision; rejects when it cannot be read. For W2. */
  readonly newestRevision: () => Promise<Revision>;
}

export class WatchStream {
  /** Resolves once. */
  readonly ended: Promise<StreamEnd>;
  readonly #end: (end: StreamEnd) => void;
  readonly #clock: Clock;
  readonly #handler: WatchStreamHandler;
  readonly #place: WatchPlace;
  readonly #stream: RawStream<IWatchRequest>;
  #timer: Timer;
  /** Whether anything was heard since the watch was asked for, or progress was. */
  #heard = false;
  #created = false;
  /** W2: whether the server can answer questions for progress. */
  #answers = false;
  #over = false;
  #fragments: IEvent[] = [];

  constructor(place: WatchPlace, clock: Clock, handler: WatchStreamHandler) {
    const { promise, resolve } = Promise.withResolvers<StreamEnd>();
    this.ended = promise;
    this.#end = resolve;
    this.#clock = clock;
    this.#handler = handler;
    this.#place = place;
    this.#stream = openStream(() => place.member.raw.watchClient.watch(REQUIRE_LEADER), {
      message: (answer: IWatchResponse) => this.#message(answer),
      ended: (cause) => this.#finish({ kind: "cut", cause: cause ?? "closed" }),
    });
    this.#stream.send({
      create_request: {
        key: keyBytes(place.prefix),
        range_end: prefixEnd(place.prefix),
        start_revision: String(place.from),
        progress_notify: true,
        fragment: true,
      },
    });
    this.#timer = clock.timer(PROGRESS_MS, () => this.#checkLife());
  }

  close(): void {
    this.#finish({ kind: "closed" });
  }

  #message(answer: IWatchResponse): void {
    if (this.#over) return;
    this.#heard = true;
    if (answer.canceled) return this.#finish(endOf(answer));
    const revision = BigInt(answer.header.revision);
    if (answer.created) {
      this.#created = true;
      this.#answers = revision >= this.#place.from;
      return this.#handler.created(revision);
    }
    this.#answers = true;
    if (answer.events.length === 0) {
      if (this.#fragments.length === 0) this.#handler.progress(revision);
      return;
    }
    this.#fragments = this.#fragments.concat(answer.events);
    if (answer.fragment) return; // W1
    const events = this.#fragments.map(toWatchEvent);
    this.#fragments = [];
    this.#handler.events(events);
  }

  /** W2. */
  #checkLife(): void {
    if (this.#heard) return this.#ask();
    if (!this.#created || this.#answers) return this.#silent(`silent for ${PROGRESS_MS} ms`);
    this.#place.newestRevision().then(
      (newest) => {
        this.#answers = newest >= this.#place.from;
        this.#ask();
      },
      (error: unknown) => this.#silent(`silent, and a read failed: ${messageOf(error)}`),
    );
  }

  #ask(): void {
    if (this.#over) return;
    this.#heard = false;
    this.#stream.send({ progress_request: {} });
    this.#timer = this.#clock.timer(PROGRESS_MS, () => this.#checkLife());
  }

  #silent(cause: string): void {
    this.#finish({ kind: "cut", cause, silent: true });
  }

  #finish(end: StreamEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer.cancel();
    this.#stream.cancel();
    this.#end(end);
  }
}

function endOf(answer: IWatchResponse): StreamEnd {
  const compactRevision = BigInt(answer.compact_revision);
  if (compactRevision > 0n) return { kind: "compacted", compactRevision };
  const cause = answer.cancel_reason || "the server cancelled the watch and gave no reason";
  return cause.includes("no leader") ? { kind: "cut", cause } : { kind: "denied", cause };
}

function toWatchEvent(event: IEvent): WatchEvent {
  if (event.type === "Put") return { type: "put", kv: toKeyValue(event.kv) };
  return {
    type: "delete",
    key: event.kv.key.toString("utf8"),
    modRevision: BigInt(event.kv.mod_revision),
  };
}
