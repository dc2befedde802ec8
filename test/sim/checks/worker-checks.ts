/** What workers are told is true: a claim that is handed out stands in etcd, what is acknowledged is done, and tries are counted as they were. */
import type { LedgerKind } from "@sheaf/ledger";
import type { dispatch } from "@sheaf/proto";
import type { Sim } from "../sim.ts";
import { kindOf } from "../sim-store.ts";
import type { WorkerChecks } from "../sim-worker.ts";
import { TRIES } from "../truth.ts";
import type { LedgerChecks } from "./ledger-checks.ts";

export function workerChecks(sim: Sim, ledgers: LedgerChecks, worker: string): WorkerChecks {
  return {
    note: (line) => sim.history.note(worker, line),
    assigned: (assign) => {
      const known = ledgers.ledger(assign.job, kindOf(assign.kind))?.fences.get(assign.claim);
      const stood = known?.some(
        ({ fence, start, end }) => fence === assign.fence && start <= Number(assign.from) && Number(assign.to) <= end,
      );
      if (stood !== true) sim.violated("L3", `${worker} was assigned claim ${assign.claim}, which never stood in etcd`);
      for (const prior of assign.prior) checkPrior(sim, assign.job, kindOf(assign.kind), prior);
    },
    raced: (race) => {
      const known = ledgers.ledger(race.job, kindOf(race.kind))?.fences.get(race.claim);
      if (known?.some(({ fence }) => fence === race.fence) !== true)
        sim.violated("L7", `${worker} races claim ${race.claim}, which never stood in etcd`);
      if (race.prior !== undefined) checkPrior(sim, race.job, kindOf(race.kind), race.prior);
    },
    committed: (job: string, kind: LedgerKind, from: number, to: number) => {
      if (ledgers.ledger(job, kind)?.everDone.has(`${from}-${to}`) !== true)
        sim.violated("I2", `${worker} was told that [${from}, ${to}) of ${job}/${kind} is committed, and it is not`);
    },
  };
}

/** I6: no more user failures than commands have failed; no more losses than workers were lost. */
function checkPrior(sim: Sim, job: string, kind: LedgerKind, prior: dispatch.PriorTries): void {
  const { index, tries, losses, quarantined } = prior;
  const at = Number(index);
  const [failures, lost] = [kind === "process" ? sim.truth.failures(job, at) : 0, sim.truth.losses(job, kind, at)];
  if (tries > failures)
    sim.violated("I6", `datum ${at} of ${job} has ${tries} user failures, and its command failed ${failures} times`);
  if (losses > lost)
    sim.violated("I6", `datum ${at} of ${job} has ${losses} losses, and ${lost} workers were lost with it`);
  if (quarantined && lost < TRIES)
    sim.violated("I6", `datum ${at} of ${job} is quarantined after ${lost} lost workers`);
}
