/**
 * A replica that starts looks at the versions of the others, before it is one of them: one that is too far from theirs would break
 * what they run. Two that start in the same moment do not see each other; what each says to workers is looked at in any case.
 */
import type { Etcd, Keys } from "@sheaf/etcd";
import { state } from "@sheaf/proto";
import { type Clock, failedPrecondition } from "@sheaf/runtime";
import { whyNotTogether } from "../core/versions.ts";
import { readRecord } from "../record.ts";

export interface NeighboursDeps {
  readonly etcd: Etcd;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly version: string;
  /** How long a replica may be listed that does not live any more. */
  readonly ttlMs: number;
}

const LOOK_MS = 500;

/** Throws OTHER_VERSION when one of them is too far away, and does not go. */
export async function refuseFarVersions({ etcd, keys, clock, version, ttlMs }: NeighboursDeps): Promise<void> {
  const untilMs = clock.now() + ttlMs + LOOK_MS;
  for (;;) {
    const why = await farOne(etcd, keys, version);
    if (why === undefined) return;
    if (clock.now() >= untilMs) throw failedPrecondition("OTHER_VERSION", why);
    await clock.sleep(LOOK_MS);
  }
}

async function farOne(etcd: Etcd, keys: Keys, version: string): Promise<string | undefined> {
  for (const [what, prefix] of [
    ["master", keys.masters()],
    ["merge replica", keys.mergers()],
  ] as const) {
    const { kvs } = await etcd.list(prefix);
    for (const kv of kvs) {
      const { programVersion } = readRecord(state.ReplicaRecordSchema, kv).record;
      const other = { who: `${what} ${kv.key.slice(prefix.length)}`, version: programVersion };
      const why = whyNotTogether({ who: "this service", version }, other);
      if (why !== undefined) return why;
    }
  }
  return undefined;
}
