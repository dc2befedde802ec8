// The checker: reads the artefacts of a run and says which invariants are broken. It needs no cluster, and can look at old artefacts
// again. Whether it sees anything is tested with forged artefacts (check.test.ts).

import { existsSync } from "node:fs";
import { join } from "node:path";
import { api } from "@sheaf/proto";
import type { EtcdEntry } from "../etcd-log.ts";
import { readJournal, readJson } from "../journal.ts";
import type { NemesisEntry } from "../nemesis.ts";
import type { EndFacts, RunFacts } from "../run.ts";
import type { HistoryEntry } from "../workload.ts";
import { type Figures, figuresOf } from "./figures.ts";
import { JobRules } from "./job-rules.ts";
import { LedgerRules } from "./ledger-rules.ts";
import { checkExits, checkLeftovers } from "./leftover-rules.ts";
import { type Note, readNotes } from "./notes.ts";
import { replay } from "./replay.ts";
import { Timeline } from "./timeline.ts";
import { checkUsers } from "./user-rules.ts";
import { type Broken, Findings } from "./verdict.ts";

/** Everything that a run left behind. */
export interface Artefacts {
  readonly run: RunFacts;
  /** null: the run broke off. */
  readonly end: EndFacts | null;
  readonly etcd: readonly EtcdEntry[];
  readonly history: readonly HistoryEntry[];
  readonly nemesis: readonly NemesisEntry[];
  readonly notes: readonly Note[];
}

export interface Verdict {
  readonly seed: number;
  readonly broken: readonly Broken[];
  readonly revisions: number;
  readonly rounds: number;
  readonly jobs: number;
  readonly mismatches: number;
  readonly figures: Figures;
}

export function checkRun(folder: string): Verdict {
  return checkArtefacts(readArtefacts(folder));
}

export function readArtefacts(folder: string): Artefacts {
  const run = readJson<RunFacts>(folder, "run");
  return {
    run,
    end: existsSync(join(folder, "end.json")) ? readJson<EndFacts>(folder, "end") : null,
    etcd: readJournal<EtcdEntry>(folder, "etcd"),
    history: readJournal<HistoryEntry>(folder, "history"),
    nemesis: readJournal<NemesisEntry>(folder, "nemesis"),
    notes: readNotes(folder, run.uptimeShiftNs),
  };
}

export function checkArtefacts({ run, end, etcd, history, nemesis, notes }: Artefacts): Verdict {
  const findings = new Findings();
  const [ledgers, jobs, timeline] = [new LedgerRules(findings), new JobRules(findings), new Timeline()];
  const store = replay(etcd, end?.revision ?? 0, findings, (revision, before) => {
    ledgers.each(revision, before);
    jobs.each(revision, before);
    timeline.each(revision, before);
  });
  for (const [key, state] of jobs.states)
    findings.check(state >= api.JobState.SUCCEEDED, "I7", () => `${key} was left in state ${state}`);
  const users = checkUsers(history, notes, store, findings);
  checkLeftovers(store, end, findings);
  checkExits(nemesis, findings);
  return {
    seed: run.seed,
    broken: findings.broken,
    revisions: etcd.at(-1)?.rev ?? 0,
    rounds: users.rounds,
    jobs: jobs.states.size,
    mismatches: users.mismatches,
    figures: figuresOf(timeline, nemesis, notes),
  };
}
