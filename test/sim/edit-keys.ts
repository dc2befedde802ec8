/** An operator who changes a ledger's keys by hand. The job may then be INCONSISTENT; it must never succeed with a gap. */

import { LedgerChecks } from "./checks/ledger-checks.ts";
import type { Cluster } from "./cluster.ts";
import { Process } from "./process.ts";

/** Deletes a done interval of a ledger that is not complete yet. */
export function editKeys({ sim, ledgers }: Cluster): void {
  const candidates = [...ledgers.ledgers].filter(
    (ledger) => ledger.isOpen && ledger.dones.size > 0 && !LedgerChecks.tiles(ledger),
  );
  const ledger = sim.faults.pick(candidates);
  const start = ledger === undefined ? undefined : sim.faults.pick([...ledger.dones.keys()]);
  if (ledger === undefined || start === undefined || ledgers.edited.size > 0) return;
  const key = sim.keys.done(ledger.job, ledger.kind, start);
  ledgers.edited.add(key);
  sim.history.note("editor", () => `deletes ${key}`);
  const process = new Process(sim.world, "editor", sim.random, { hasPromises: false, wallSkewMs: 0 });
  const txn = { compare: [], then: [{ delete: key }] };
  sim.server.apply({ process, txn, sentAt: sim.server.model.revision, answer: "applied" });
}
