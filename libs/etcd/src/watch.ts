/**
 * A watch: the keys under a prefix, as a list and what happened since (etcd3's own Watcher loses events on
 * reconnect and dies of a compaction; not used).
 *
 *     list at R ──> snapshot ──> stream from R+1 ──> events, events, ...
 *        ^                            │ cut: a new stream, from where we were (E11)
 *        └──── compacted, or history went back (E10, E26) ────┘
 *
 * B1. The bookmark is the last revision that was handed over whole. It moves after the handler returned.
 * B2. State is list plus events, never events only: whenever events may be missing, the list comes again.
 * B3. A member whose store is older than our bookmark may only be behind; or etcd was restored from a backup.
 *     A linearizable read tells which.
 * B4. Waits between attempts grow, and shrink back only after a stream held for a while.
 */
import { backoff, type Clock, cancelled, type Logger, messageOf } from "@sheaf/runtime";
import type { Listed, Revision, Watch, WatchEvent, WatchHandler } from "./etcd.ts";
import type { Member, Members } from "./members.ts";
import { type StreamEnd, WatchStream } from "./watch-stream.ts";

/** B4. */
const HELD_MS = 5_000;

export interface WatchParts {
  readonly members: Members;
  readonly clock: Clock;
  readonly log: Logger;
  readonly list: (prefix: string, signal: AbortSignal) => Promise<Listed>;
  readonly newestRevision: (signal: AbortSignal) => Promise<Revision>;
  /** Called once when it is closed. */
  readonly retired: (watch: PrefixWatch) => void;
}

export class PrefixWatch implements Watch {
  readonly ready: Promise<void>;
  readonly #prefix: string;
  readonly #handler: WatchHandler;
  readonly #parts: WatchParts;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  readonly #firstSnapshot = Promise.withResolvers<void>();
  readonly #running: Promise<void>;
  readonly #waits = backoff({ baseMs: 20, capMs: 3_000 });
  /** B1; undefined when only a list can tell the truth. */
  #bookmark: Revision | undefined;
  #stream: WatchStream | undefined;

  constructor(prefix: string, name: string, handler: WatchHandler, parts: WatchParts) {
    this.#prefix = prefix;
    this.#handler = handler;
    this.#parts = parts;
    this.#log = parts.log.child({ watch: name });
    this.ready = this.#firstSnapshot.promise;
    // Whoever does not wait for it must not die of it.
    this.ready.catch(() => {});
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closing.abort(cancelled("WATCH_CLOSED", `the watch of ${this.#prefix} was closed`));
      this.#stream?.close();
      this.#firstSnapshot.reject(this.#closing.signal.reason);
      this.#parts.retired(this);
    }
    await this.#running;
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        this.#bookmark ??= await this.#snapshot();
        if (!this.#closed) await this.#follow(this.#bookmark);
      } catch (error) {
        if (!this.#closed) this.#log.warn({ err: error }, "watch: cannot list, trying again");
      }
      await this.#parts.clock.sleep(this.#waits.next(), this.#closing.signal).catch(() => {});
    }
  }

  /** B2. */
  async #snapshot(): Promise<Revision> {
    const { kvs, revision } = await this.#parts.list(this.#prefix, this.#closing.signal);
    if (this.#closed) return revision;
    this.#call(() => this.#handler.snapshot(kvs, revision));
    this.#firstSnapshot.resolve();
    return revision;
  }

  /** One stream, until it ends; afterwards the bookmark says how to go on. */
  async #follow(from: Revision): Promise<void> {
    const { clock, members } = this.#parts;
    const member = members.current();
    const { link } = member.channel;
    const begun = clock.now();
    const { signal } = this.#closing;
    const newestRevision = () => this.#parts.newestRevision(signal);
    const place = { member, prefix: this.#prefix, from: from + 1n, newestRevision };
    const stream = new WatchStream(place, clock, {
      created: (revision) => {
        members.trouble.answered();
        this.#log.debug({ from: String(from), address: member.address }, "watch: following");
        if (revision < from) void this.#checkHistory(stream, from);
      },
      events: (events) => this.#deliver(events),
      progress: (revision) => {
        if (this.#bookmark !== undefined && revision > this.#bookmark) this.#bookmark = revision;
      },
    });
    this.#stream = stream;
    const end = await stream.ended;
    this.#stream = undefined;
    // A stream that fell silent may have a dead connection under it, which nobody else has noticed.
    if (end.kind === "cut" && end.silent) member.channel.replace(link);
    this.#ended(end, member);
    if (clock.now() - begun >= HELD_MS) this.#waits.reset(); // B4
  }

  #deliver(events: readonly WatchEvent[]): void {
    const last = events.at(-1);
    if (last === undefined || this.#closed) return;
    const revision = last.type === "put" ? last.kv.modRevision : last.modRevision;
    this.#call(() => this.#handler.events(events, revision));
    this.#bookmark = revision; // B1
  }

  #ended(end: StreamEnd, member: Member): void {
    switch (end.kind) {
      case "closed":
        return;
      case "cut":
        this.#parts.members.failed(member, end.cause);
        this.#log.debug({ cause: end.cause, address: member.address }, "watch: cut, resuming");
        return;
      case "compacted":
        this.#bookmark = undefined;
        this.#log.info({ compactRevision: String(end.compactRevision) }, "watch: history compacted, listing again");
        return;
      case "denied":
        this.#bookmark = undefined;
        this.#log.error({ cause: end.cause }, "watch: refused by etcd, trying again");
    }
  }

  /** B3. */
  async #checkHistory(stream: WatchStream, bookmark: Revision): Promise<void> {
    try {
      const newest = await this.#parts.newestRevision(this.#closing.signal);
      if (newest >= bookmark || this.#stream !== stream) return;
      const revisions = { bookmark: String(bookmark), newest: String(newest) };
      this.#log.error(revisions, "watch: etcd went back in time, listing again");
      this.#bookmark = undefined;
      stream.close();
    } catch (error) {
      this.#log.debug({ cause: messageOf(error) }, "watch: cannot check the history");
    }
  }

  /** A handler that threw has a broken picture of the store: going on would act on it. */
  #call(handler: () => void): void {
    try {
      handler();
    } catch (error) {
      void this.close();
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
