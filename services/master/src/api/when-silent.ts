// Reads while etcd is silent: what was last seen is worth more than a wait of 15 s and an error, when the answer says that etcd is silent.

import type { World } from "../context.ts";

const LOOK_MS = 250;

/** What `reading` gives; `seen` when etcd is in trouble before that. */
export async function orSeenWhenSilent<T>(
  { etcd, clock }: Pick<World, "etcd" | "clock">,
  reading: Promise<T>,
  seen: T,
): Promise<T> {
  const read = new AbortController();
  const silent = async (): Promise<T> => {
    while (etcd.trouble() === undefined) await clock.sleep(LOOK_MS, read.signal);
    return seen;
  };
  const either = [reading, silent()];
  // The one that comes second is nobody's any more.
  for (const one of either) one.catch(() => {});
  try {
    return await Promise.race(either);
  } finally {
    read.abort();
  }
}
