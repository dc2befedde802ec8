/**
 * Virtual time: one queue of events, taken in the order of their time. After each, everything that can run without more time
 * runs (all microtasks), then the next one. So a history is a function of its seed.
 *
 * Nothing is lost by speed: events that wake no promise are taken one after another, the others are separated by one immediate
 * each, and immediates are ordered in bulk, because a turn of Node's event loop costs more than an event.
 */
import type { Process } from "./process.ts";

export interface Event {
  readonly at: number;
  readonly seq: number;
  /** Whose event it is; null: nobody's, it happens in the world. */
  readonly process: Process | null;
  readonly kind: "timer" | "message";
  readonly fn: () => void;
  cancelled: boolean;
}

/** Immediates ordered at once. */
const BULK = 64;

export class World {
  readonly #heap: Event[] = [];
  #now = 0;
  #seq = 0;
  #taken = 0;
  #hash = 0x811c9dc5 | 0;
  /** Called after each event and all that follows from it. */
  onTaken: () => void = () => {};

  get now(): number {
    return this.#now;
  }

  /** Events that were taken. */
  get taken(): number {
    return this.#taken;
  }

  /** Of the order and the times of all events that were taken. */
  get hash(): number {
    return this.#hash >>> 0;
  }

  /** `fn` happens after `ms`, in the process unless that is dead then. */
  after(ms: number, process: Process | null, fn: () => void, kind: Event["kind"] = "message"): Event {
    const event = { at: this.#now + Math.max(0, ms), seq: this.#seq++, process, kind, fn, cancelled: false };
    push(this.#heap, event);
    return event;
  }

  /** Takes events until `isOver`, or until the time `end`, or until nothing is left. */
  run(end: number, isOver: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let ordered = 0;
      let over = false;
      const order = () => {
        for (; ordered < BULK; ordered++) setImmediate(turn);
      };
      const turn = () => {
        ordered--;
        if (over) return;
        try {
          over = !this.#untilPromises(end, isOver);
        } catch (error) {
          over = true;
          return reject(error);
        }
        if (over) resolve();
        else if (ordered === 0) order();
      };
      order();
    });
  }

  /** Takes events up to one that may have woken promises. False: it is over. */
  #untilPromises(end: number, isOver: () => boolean): boolean {
    for (;;) {
      this.onTaken();
      if (isOver()) return false;
      const event = this.#heap[0];
      if (event === undefined) return false;
      if (event.at > end) {
        this.#now = end;
        return false;
      }
      pop(this.#heap);
      if (event.cancelled) continue;
      this.#now = Math.max(this.#now, event.at);
      const { process } = event;
      if (process !== null && !process.takes(event)) continue;
      this.#taken++;
      this.#hash = Math.imul(this.#hash ^ event.seq ^ Math.round(event.at * 1_000), 0x01000193);
      event.fn();
      if (process?.hasPromises === true) return true;
    }
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.seq < b.seq);
}

function push(heap: Event[], event: Event): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const up = (at - 1) >> 1;
    const parent = heap[up] as Event;
    if (!isBefore(event, parent)) break;
    heap[at] = parent;
    at = up;
  }
  heap[at] = event;
}

function pop(heap: Event[]): void {
  const last = heap.pop() as Event;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let down = 2 * at + 1;
    if (down >= heap.length) break;
    if (down + 1 < heap.length && isBefore(heap[down + 1] as Event, heap[down] as Event)) down++;
    const child = heap[down] as Event;
    if (!isBefore(child, last)) break;
    heap[at] = child;
    at = down;
  }
  heap[at] = last;
}
