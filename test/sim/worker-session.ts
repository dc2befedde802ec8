/** A simulated worker's session with one of its owners: greets, beats, notices silence, and begins anew for ever. */

import type { dispatch } from "@sheaf/proto";
import type { Timer } from "@sheaf/runtime";
import type { Link, ToOwner, ToWorker, WorkerEnd } from "./link.ts";
import type { Process } from "./process.ts";
import type { Role } from "./worker-claim.ts";

/** Longer than an owner takes to call a worker silent is of no use. */
const SILENCE_MS = 3_000;
const GREETING_MS = 5_000;
/** Before it greets again: doubled each time, up to the most. */
const WAIT_MS = 50;
const WAIT_MAX_MS = 1_000;

export interface SessionParts {
  readonly process: Process;
  readonly role: Role;
  /** A stream to the replica at this address ("": to any), or null when nobody answers there. */
  readonly connect: (end: WorkerEnd, address: string) => Link | null;
  readonly hello: () => dispatch.Hello;
  /** `heard`: assignments that came on this stream. */
  readonly beat: (heard: number) => dispatch.Beat;
  readonly onStands: (welcome: dispatch.Welcome) => void;
  readonly onWord: (word: ToWorker) => void;
}

export class WorkerSession {
  readonly #parts: SessionParts;
  #state: "waiting" | "greeting" | "standing" | "closed" = "waiting";
  #link: Link | null = null;
  #heardAt = 0;
  #heard = 0;
  #beatMs = 0;
  #waitMs = WAIT_MS;
  #timer: Timer | null = null;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#later(parts.process.random.float() * 100, () => this.#greet());
  }

  get stands(): boolean {
    return this.#state === "standing";
  }

  say(message: ToOwner): boolean {
    if (this.#state !== "standing") return false;
    this.#link?.say(message);
    return true;
  }

  /** The last words. */
  close(message: ToOwner): void {
    this.say(message);
    this.#timer?.cancel();
    this.#state = "closed";
    this.#link?.hangUp();
  }

  /** The network cuts it. */
  cut(isSilent: boolean): void {
    this.#link?.cut(isSilent);
  }

  #greet(address = ""): void {
    const { process, connect, hello } = this.#parts;
    const end: WorkerEnd = {
      process,
      onMessage: (message) => {
        if (this.#link === link) this.#onMessage(message);
      },
      onOver: () => {
        if (this.#link === link) this.#again();
      },
    };
    const link = connect(end, address);
    if (link === null) return this.#again();
    this.#link = link;
    this.#heard = 0;
    this.#state = "greeting";
    link.say({ case: "hello", value: hello() });
    this.#later(GREETING_MS, () => this.#again());
  }

  #onMessage(message: ToWorker): void {
    const { process, onStands, onWord } = this.#parts;
    this.#heardAt = process.clock.now();
    if (message.case === "assign" || message.case === "race") this.#heard++;
    switch (message.case) {
      case "welcome":
        this.#state = "standing";
        this.#waitMs = WAIT_MS;
        this.#beatMs = message.value.beatIntervalMs;
        onStands(message.value);
        return this.#later(this.#beatMs, () => this.#beat());
      case "elsewhere":
        if (message.value.address === "") return this.#again();
        this.#link?.hangUp();
        return this.#greet(message.value.address);
      default:
        if (this.#state === "standing") onWord(message);
    }
  }

  #beat(): void {
    const { process, beat } = this.#parts;
    if (process.clock.now() - this.#heardAt >= SILENCE_MS) return this.#again();
    this.say({ case: "beat", value: beat(this.#heard) });
    this.#later(this.#beatMs, () => this.#beat());
  }

  #again(): void {
    if (this.#state === "closed") return;
    const link = this.#link;
    this.#link = null;
    link?.hangUp();
    this.#state = "waiting";
    this.#waitMs = Math.min(2 * this.#waitMs, WAIT_MAX_MS);
    this.#later(this.#waitMs * (0.5 + this.#parts.process.random.float()), () => this.#greet());
  }

  #later(ms: number, fn: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#parts.process.clock.timer(ms, fn);
  }
}
