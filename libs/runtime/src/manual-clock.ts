/**
 * Virtual time for tests and simulations: it moves only when told to, and timers fire in the order
 * of their time, those of the same time in the order in which they were set.
 */
import { type Clock, cancellable, sleepOn } from "./clock.ts";

export interface ManualClock extends Clock {
  /**
   * Moves time on by `ms`. Each timer that becomes due fires at its own time; after each, all code
   * that can run without more virtual time runs (one turn of the event loop) before time moves on,
   * so a loop that sleeps 1 s runs ten times in `advance(10_000)`.
   */
  advance(ms: number): Promise<void>;
  /**
   * Moves time on, timer by timer, until `promise` settles, and returns its outcome. Fails when no
   * timer is left or `limitMs` (default an hour) of virtual time has gone by.
   */
  until<T>(promise: Promise<T>, limitMs?: number): Promise<T>;
  /** Moves the wall clock alone, as an operator or NTP does. */
  jumpWall(ms: number): void;
  /** Timers that are set and have not fired: 0 after a clean stop. */
  pending(): number;
}

interface Entry {
  readonly at: number;
  readonly seq: number;
  readonly fn: () => void;
}

/** A clock that starts at `now() === 0` and at the given wall time (default 2026-01-01 UTC). */
export function manualClock(wallStart: number = Date.UTC(2026, 0, 1)): ManualClock {
  let now = 0;
  let wallOffset = wallStart;
  let seq = 0;
  const entries = new Set<Entry>();

  const next = (): Entry | undefined => {
    let first: Entry | undefined;
    for (const entry of entries) if (first === undefined || isBefore(entry, first)) first = entry;
    return first;
  };

  const fire = async (entry: Entry): Promise<void> => {
    entries.delete(entry);
    now = Math.max(now, entry.at);
    entry.fn();
    await turn();
  };

  const clock: ManualClock = {
    now: () => now,
    wall: () => wallOffset + now,
    sleep: (ms, signal) => sleepOn(clock, ms, signal),
    timer(ms, fn) {
      const entry: Entry = { at: now + Math.max(ms, 0), seq: seq++, fn };
      entries.add(entry);
      return cancellable(() => entries.delete(entry));
    },
    async advance(ms) {
      const end = now + ms;
      await turn();
      for (let due = next(); due !== undefined && due.at <= end; due = next()) await fire(due);
      now = end;
    },
    async until(promise, limitMs = 3_600_000) {
      let settled = false;
      const done = () => {
        settled = true;
      };
      promise.then(done, done);
      const end = now + limitMs;
      await turn();
      while (!settled) {
        const due = next();
        if (due === undefined) throw new Error("virtual time stands still: no timer is set, and the promise waits");
        if (due.at > end) throw new Error(`the promise did not settle in ${limitMs} ms of virtual time`);
        await fire(due);
      }
      return promise;
    },
    jumpWall(ms) {
      wallOffset += ms;
    },
    pending: () => entries.size,
  };
  return clock;
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at === b.at ? a.seq < b.seq : a.at < b.at;
}

/** Lets every microtask, and what they start, run: an immediate comes after all of them. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
