/**
 * No service outlives the `sheaf dev` that started it, even when that is killed with SIGKILL: a child
 * whose parent dies is given to another parent, and that shows in its parent process id.
 */
import type { Clock, Timer } from "./clock.ts";

const POLL_MS = 1_000;

/** Calls `gone` once when the parent is no longer process `parentPid`; looks at once, then each second. */
export function watchParent(parentPid: number, readPpid: () => number, clock: Clock, gone: () => void): Timer {
  let timer: Timer | undefined;
  const look = () => {
    if (readPpid() !== parentPid) gone();
    else timer = clock.timer(POLL_MS, look);
  };
  look();
  const cancel = () => timer?.cancel();
  return { cancel, [Symbol.dispose]: cancel };
}
