/**
 * Sends what running datums write to whoever follows, as far as somebody does. Nothing is kept for it: it reads along in the logs,
 * which are bounded, at its own pace. What it has not sent when a datum ends comes with the datum's run.
 */
import { create } from "@bufbuild/protobuf";
import { dispatch, type store } from "@sheaf/proto";
import type { Clock, Timer } from "@sheaf/runtime";
import type { LogReader } from "../datum/log-capture.ts";
import type { Item } from "./item.ts";

const SEND_MS = 250;
/** Bytes of text at a time, over all datums: beats share the stream. */
const SEND_BYTES = 64 * 1024;
/** Of short lines fewer bytes are sent: each costs more than its text. */
const SEND_LINES = 1_000;
const STEP_BYTES = 4 * 1024;

export class LiveLogs {
  readonly #clock: Clock;
  readonly #running: ReadonlySet<Item>;
  readonly #say: (item: Item, live: dispatch.LiveLog) => void;
  #follow = 0;
  #readers = new WeakMap<Item, LogReader>();
  #timer: Timer | undefined;
  /** The one that was served last: the next begins, so that none starves. */
  #last: Item | undefined;

  /** `running`: the items that run, at any time. */
  constructor(clock: Clock, running: ReadonlySet<Item>, say: (item: Item, live: dispatch.LiveLog) => void) {
    this.#clock = clock;
    this.#running = running;
    this.#say = say;
  }

  /** The owner's word: 0 for nobody; another number than before: all logs from their begin. */
  follow(follow: number): void {
    if (follow === this.#follow) return;
    this.#follow = follow;
    this.#readers = new WeakMap();
    this.#timer?.cancel();
    this.#timer = undefined;
    if (follow !== 0) this.#look();
  }

  stop(): void {
    this.follow(0);
  }

  /** The item runs no longer: what it wrote last is sent at once, if it was followed before, for its run may be far away. */
  ended(item: Item): void {
    if (this.#readers.has(item)) this.#send(item, { bytes: SEND_BYTES, lines: SEND_LINES });
  }

  #look(): void {
    this.#timer = this.#clock.timer(SEND_MS, () => this.#look());
    const items = [...this.#running].filter(({ claim }) => !claim.assigned.isRace);
    const first = this.#last === undefined ? 0 : items.indexOf(this.#last) + 1;
    const room = { bytes: SEND_BYTES, lines: SEND_LINES };
    for (const item of [...items.slice(first), ...items.slice(0, first)]) {
      if (room.bytes <= 0 || room.lines <= 0) return;
      this.#last = item;
      this.#send(item, room);
    }
  }

  /** Takes what is sent from the room. */
  #send(item: Item, room: { bytes: number; lines: number }): void {
    const reader = this.#readers.get(item) ?? item.log.read();
    this.#readers.set(item, reader);
    const lines: store.LogLine[] = [];
    while (reader.behind > 0 && room.bytes > 0 && room.lines > 0) {
      const step = reader.next(STEP_BYTES);
      room.bytes -= STEP_BYTES;
      room.lines -= step.length;
      lines.push(...step);
    }
    if (lines.length === 0) return;
    const { claim, index, log } = item;
    const fields = { claim: claim.assigned.id, index: BigInt(index), follow: this.#follow, log: BigInt(log.number) };
    this.#say(item, create(dispatch.LiveLogSchema, { ...fields, lines }));
  }
}
