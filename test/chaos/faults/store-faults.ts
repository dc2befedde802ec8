// What is done to etcd's store while it serves: history compacted, files rewritten, leases revoked behind their owners' backs, no space.

import type { Fault } from "./fault.ts";
import { pick } from "./fault.ts";

export const STORE_FAULTS: readonly Fault[] = [
  {
    kind: "compact-each-second",
    rows: ["F29"],
    lane: "store",
    weight: 3,
    ms: [4_000, 12_000],
    begin({ keeper, log }) {
      // A compaction that fails, or finds that it was done, will come again.
      const timer = setInterval(() => void keeper.compact(log.seen).catch(() => {}), 1_000);
      return { target: "etcd, up to the newest revision", end: () => clearInterval(timer) };
    },
  },
  {
    kind: "defragment",
    rows: ["F30"],
    lane: "store",
    weight: 1,
    ms: [0, 0],
    async begin({ world, keeper }, random) {
      const index = random.int(world.members.length);
      await keeper.defragment(index);
      return { target: `etcd ${world.members[index]?.name}` };
    },
  },
  {
    kind: "revoke-lease",
    rows: ["F31"],
    lane: "store",
    weight: 4,
    ms: [0, 0],
    async begin({ keeper }, random) {
      const lease = pick(await keeper.leases(), random);
      if (lease === undefined) return null;
      await keeper.etcd.revokeLease(lease.id);
      return { target: `lease ${lease.id} with ${lease.keys.join(", ") || "no key"}` };
    },
  },
  {
    kind: "no-space",
    rows: ["F28"],
    lane: "store",
    weight: 1,
    ms: [2_000, 8_000],
    async begin({ keeper }) {
      await keeper.outOfSpace(true);
      return { target: "etcd: NOSPACE", end: () => keeper.outOfSpace(false) };
    },
  },
];
