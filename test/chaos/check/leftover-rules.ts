// I8: when all is done nothing is left: no ledger key, no claim, no process, no scratch folder, no lease of a session. I15: no service
// ended by itself because of a bug (exit code 70), or of a signal that nobody sent.

import { isOfSession, KEYS } from "../keeper.ts";
import type { NemesisEntry } from "../nemesis.ts";
import type { EndFacts } from "../run.ts";
import type { Store } from "./replay.ts";
import type { Findings } from "./verdict.ts";

const EXIT_BUG = 70;

export function checkLeftovers(store: Store, end: EndFacts | null, findings: Findings): void {
  findings.check(end !== null, "I7", () => "the run did not come to its end");
  const ledgers = [...store.keys()].filter((key) => key.startsWith(KEYS.allLedgers()));
  findings.check(
    ledgers.length === 0,
    "I8",
    () => `${ledgers.length} ledger keys are left: ${ledgers.slice(0, 5).join(", ")}`,
  );
  if (end === null) return;
  const orphans = end.leases.filter(isOfSession);
  findings.check(
    orphans.length === 0,
    "I8",
    () => `leases of sessions are left: ${orphans.map(({ id }) => id).join(", ")}`,
  );
  findings.check(end.workers.length === 0, "I8", () => `workers of stopped pipelines go on: ${end.workers.join(", ")}`);
  findings.check(end.processes.length === 0, "I8", () => `processes are left: ${end.processes.join(", ")}`);
  findings.check(end.scratch.length === 0, "I8", () => `scratch folders are left: ${end.scratch.join(", ")}`);
}

export function checkExits(nemesis: readonly NemesisEntry[], findings: Findings): void {
  for (const { what, service, code, signal, asked } of nemesis) {
    if (what !== "exited" || asked) continue;
    const fine = code !== EXIT_BUG && signal === null;
    findings.check(
      fine,
      "I15",
      () => `${service} ended by itself: exit code ${code}, signal ${signal}; see logs/${service}.log`,
    );
  }
}
