/** Clocks that differ from the machine's in one thing. */
import { type Clock, systemClock } from "@sheaf/runtime";

/** Time that runs `times` as fast: for code whose patience is longer than a test's. */
export function fastClock(times: number): Clock {
  return {
    now: () => systemClock.now() * times,
    wall: () => systemClock.wall() * times,
    sleep: (ms, signal) => systemClock.sleep(ms / times, signal),
    timer: (ms, fn) => systemClock.timer(ms / times, fn),
  };
}

/** A wall clock that can be set, as after a suspend. */
export function jumpingClock(): Clock & { jumpWall(ms: number): void } {
  let offset = 0;
  return {
    ...systemClock,
    wall: () => systemClock.wall() + offset,
    jumpWall(ms) {
      offset += ms;
    },
  };
}
