/** Does to the processes, the network and etcd what can happen to them, at random, until the world is healed. */
import type { Cluster } from "./cluster.ts";
import { editKeys } from "./edit-keys.ts";
import { FAULT_KINDS, type FaultKind } from "./faults.ts";

type Act = (cluster: Cluster) => void;

/** What happens by itself; the other kinds are met by calls. */
const ACTS: Partial<Record<FaultKind, Act>> = {
  "crash-owner": (cluster) => {
    const owner = cluster.sim.faults.pick([...cluster.owners]);
    if (owner !== undefined) cluster.crashOwner(owner);
  },
  "stop-owner": (cluster) => {
    const owner = cluster.sim.faults.pick([...cluster.owners].filter(({ process }) => !process.isPaused));
    if (owner !== undefined) cluster.stopOwner(owner);
  },
  "pause-owner": (cluster) => {
    const { faults } = cluster.sim;
    const owner = faults.pick([...cluster.owners]);
    if (owner !== undefined) cluster.pause(owner.process, faults.between(500, 8_000), faults.chance(0.5));
  },
  hiccup: (cluster) => {
    const { faults } = cluster.sim;
    const someone = faults.pick([...cluster.owners, ...cluster.workers]);
    if (someone !== undefined) cluster.pause(someone.process, faults.between(1, 600), true);
  },
  "crash-worker": (cluster) => {
    const worker = cluster.sim.faults.pick([...cluster.workers]);
    if (worker !== undefined) cluster.crashWorker(worker);
  },
  "pause-worker": (cluster) => {
    const { faults } = cluster.sim;
    const worker = faults.pick([...cluster.workers]);
    if (worker !== undefined) cluster.pause(worker.process, faults.between(500, 10_000), faults.chance(0.5));
  },
  "drain-worker": (cluster) => {
    const { faults } = cluster.sim;
    const [owner, worker] = [faults.pick([...cluster.owners]), faults.pick([...cluster.workers])];
    if (owner !== undefined && worker !== undefined) owner.drainWorker(worker.id);
  },
  "forget-claim": (cluster) => cluster.sim.faults.pick([...cluster.workers])?.forget(),
  "lying-worker": (cluster) => cluster.sim.faults.pick([...cluster.workers])?.lie(),
  "stream-cut": (cluster) => cut(cluster, false),
  "half-open": (cluster) => cut(cluster, true),
  "lease-revoked": ({ sim }) => {
    const lease = sim.faults.pick(sim.server.leases());
    if (lease === undefined) return;
    sim.history.note("nemesis", () => `revokes lease ${lease}`);
    sim.server.revoke(lease, null);
  },
  compaction: ({ sim }) => {
    sim.history.note("nemesis", () => `compacts at ${sim.server.model.revision}`);
    sim.server.compact();
  },
  outage: ({ sim }) => {
    if (sim.server.down) return;
    const ms = sim.faults.between(100, 7_000);
    sim.history.note("nemesis", () => `takes etcd's quorum for ${ms.toFixed(0)} ms`);
    sim.server.down = true;
    sim.world.after(ms, null, () => {
      if (sim.faults.chance(0.5)) sim.server.renewAll();
      sim.server.down = false;
    });
  },
  "edited-keys": editKeys,
};

function cut({ sim, workers }: Cluster, isSilent: boolean): void {
  const worker = sim.faults.pick([...workers]);
  const role = sim.faults.chance(0.7) ? "master" : "merge";
  if (worker === undefined) return;
  sim.history.note("nemesis", () => `cuts ${worker.id} from its ${role}${isSilent ? ", silently" : ""}`);
  sim.truth.absent(worker.id);
  worker.cut(role, isSilent);
}

/** Begins; nothing happens after the world is healed. */
export function startNemesis(cluster: Cluster): void {
  const { world, faults } = cluster.sim;
  const acts = FAULT_KINDS.filter((kind) => faults.has(kind)).flatMap((kind) => ACTS[kind] ?? []);
  const pauseMs = 30 + faults.between(0, 1) ** 2 * 2_000;
  const next = () =>
    world.after(faults.between(0, 2 * pauseMs), null, () => {
      if (faults.healed) return;
      faults.pick(acts)?.(cluster);
      next();
    });
  if (acts.length > 0) next();
}
