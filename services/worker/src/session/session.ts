// A session with an owner: the loop around machine.ts. Both owners, master and merge replica, get the same.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { dispatch } from "@sheaf/proto";
import type { CallStream } from "@sheaf/rpc";
import { type Backoff, type Clock, type Logger, messageOf, type Timer } from "@sheaf/runtime";
import type { Owner } from "../claims/terms.ts";
import type { Saying } from "../engine/messages.ts";
import { type SessionAct, type SessionEvent, type SessionState, step } from "./machine.ts";

/** Beats are kept to about this. */
const TICK_MS = 50;
/** How long the last words may take to leave. */
const LAST_WORDS_MS = 1_000;

export type SessionStream = CallStream<
  dispatch.SessionResponse,
  MessageInitShape<typeof dispatch.SessionRequestSchema>
>;

/** Connects; `connected` resolves when the peer has answered at all; `close` frees the connection. */
export type Connect = (address: string) => Connection;

export interface SessionOptions {
  readonly owner: Owner;
  /** "host:port", tried in turn. */
  readonly addresses: readonly string[];
  readonly connect: Connect;
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly log: Logger;
  readonly hello: () => dispatch.Hello;
  /** `heard`: assignments that came on this stream. */
  readonly beat: (heard: number) => dispatch.Beat;
  readonly onStands: (welcome: dispatch.Welcome) => void;
  /** It stands no longer. */
  readonly onLost: () => void;
  /** Anything but Welcome and Elsewhere. */
  readonly onMessage: (message: dispatch.SessionResponse["message"]) => void;
}

interface Connection {
  readonly connected: Promise<void>;
  open(): SessionStream;
  close(): void;
}

interface Line extends Connection {
  readonly stream: SessionStream;
}

export class Session {
  readonly #options: SessionOptions;
  #state: SessionState = { t: "waiting", until: 0 };
  #line: Line | undefined;
  /** For the first address. */
  #ahead: Connection | undefined;
  #welcome: dispatch.Welcome | undefined;
  #heard = 0;
  #address = 0;
  #timer: Timer | undefined;
  /** The reason that was logged last: a trouble that goes on is told once. */
  #told = "";

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  get isStanding(): boolean {
    return this.#state.t === "standing";
  }

  /** Connects already, and says nothing before it is started. */
  connect(): void {
    this.#ahead = this.#options.connect(this.#options.addresses[0] as string);
  }

  start(): void {
    this.#tick();
  }

  /** Says it if the session stands. What must be said again is said again after the next Welcome. */
  say(message: Saying): boolean {
    if (this.#state.t !== "standing" || this.#line === undefined) return false;
    this.#write(this.#line, message);
    return true;
  }

  /** Says Leaving and ends, for good. */
  async leave(): Promise<void> {
    const line = this.#line;
    this.#on({ t: "leave" });
    this.#timer?.cancel();
    this.#ahead?.close();
    if (line === undefined) return;
    const over = new AbortController();
    await Promise.race([line.stream.closed, this.#options.clock.sleep(LAST_WORDS_MS, over.signal).catch(() => {})]);
    over.abort();
    line.close();
  }

  #tick(): void {
    this.#on({ t: "tick" });
    if (this.#state.t !== "closed") this.#timer = this.#options.clock.timer(TICK_MS, () => this.#tick());
  }

  #on(event: SessionEvent): void {
    const { clock, addresses, backoff, onLost } = this.#options;
    const stood = this.isStanding;
    const { state, acts } = step(this.#state, event, {
      now: clock.now(),
      nextAddress: () => addresses[this.#address++ % addresses.length] as string,
      wait: () => backoff.next(),
    });
    this.#state = state;
    for (const act of acts) this.#act(act);
    if (stood && !this.isStanding) onLost();
  }

  #act(act: SessionAct): void {
    const { owner, backoff, log, beat } = this.#options;
    switch (act.t) {
      case "connect":
        return this.#connect(act.address);
      case "disconnect":
        return this.#disconnect();
      case "beat":
        return void this.say({ case: "beat", value: beat(this.#heard) });
      case "stands":
        backoff.reset();
        this.#told = "";
        log.info({ owner, session: this.#welcome?.session }, `in session with the ${owner}`);
        return this.#options.onStands(this.#welcome as dispatch.Welcome);
      case "leaving":
        if (this.#line === undefined) return;
        this.#write(this.#line, { case: "leaving", value: create(dispatch.LeavingSchema) });
        return this.#line.stream.end();
      case "gave-up":
        if (act.why !== this.#told) log.warn({ owner }, `no session with the ${owner}: ${act.why}; trying again`);
        this.#told = act.why;
    }
  }

  #connect(address: string): void {
    const connection = this.#ahead ?? this.#options.connect(address);
    this.#ahead = undefined;
    const line = { ...connection, stream: connection.open() };
    this.#line = line;
    this.#heard = 0;
    this.#write(line, { case: "hello", value: this.#options.hello() });
    void this.#listen(line);
    void line.connected.then(() => {
      if (this.#line === line) this.#on({ t: "connected" });
    });
  }

  #disconnect(): void {
    this.#line?.stream.cancel();
    this.#line?.close();
    this.#line = undefined;
  }

  async #listen(line: Line): Promise<void> {
    for await (const { message } of line.stream.messages) {
      if (this.#line !== line) return;
      this.#onMessage(message);
    }
    const reason = await line.stream.closed;
    if (this.#line === line)
      this.#on({ t: "lost", detail: "error" in reason ? reason.error.message : "the stream ended" });
  }

  #onMessage(message: dispatch.SessionResponse["message"]): void {
    switch (message.case) {
      case "welcome":
        this.#welcome = message.value;
        return this.#on({ t: "welcome", beatMs: message.value.beatIntervalMs });
      case "elsewhere":
        return this.#on({ t: "elsewhere", address: message.value.address });
      default:
        if (message.case === "assign" || message.case === "race") this.#heard++;
        this.#on({ t: "heard" });
        if (this.#state.t === "standing") this.#options.onMessage(message);
    }
  }

  /** A message that is lost with its stream is not missed: what counts is said again to the next one. */
  #write(line: Line, message: Saying): void {
    line.stream.write({ message }).catch((error: unknown) => {
      this.#options.log.debug({ err: messageOf(error) }, "a message was lost with its stream");
    });
  }
}
