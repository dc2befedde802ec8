// What users see. I2 (second half): a job that succeeded gave the result that was known before, byte for byte. I6: no infrastructure
// fault spends a user's try. I7: everything that was begun ends, in success. I10: a request that was sent again was done once.

import { KEYS } from "../keeper.ts";
import type { HistoryEntry } from "../workload.ts";
import type { Note } from "./notes.ts";
import type { Store } from "./replay.ts";
import type { Findings } from "./verdict.ts";

type Of<What extends HistoryEntry["what"]> = Extract<HistoryEntry, { what: What }>;

export function checkUsers(
  history: readonly HistoryEntry[],
  notes: readonly Note[],
  store: Store,
  findings: Findings,
): { readonly rounds: number; readonly results: number; readonly mismatches: number } {
  const of = <What extends HistoryEntry["what"]>(what: What) =>
    history.filter((entry): entry is Of<What> & { ns: number } => entry.what === what);
  const [rounds, results] = [of("round"), of("result")];
  for (const { pipeline, round, why } of of("gave-up"))
    findings.check(false, "I7", () => `round ${round} of ${pipeline} did not end: ${why}`);

  let mismatches = 0;
  for (const round of rounds) {
    const name = `round ${round.round} of ${round.pipeline} (commit ${round.commit})`;
    const seen = of("job").filter(({ pipeline, commit }) => pipeline === round.pipeline && commit === round.commit);
    const jobs = new Set(seen.map(({ job }) => job));
    findings.check(jobs.size === 1, "I10", () => `${name} has ${jobs.size} jobs: ${[...jobs].join(", ")}`);
    const last = seen.at(-1);
    findings.check(
      last?.state === "SUCCEEDED",
      last?.state === "INCONSISTENT" || last?.state === "FAILED" ? "I2" : "I7",
      () => `${name}: job ${last?.job ?? "none"} is ${last?.state}: ${last?.message}`,
    );
    const result = results.find(({ job }) => job === last?.job);
    const right = result?.digest === round.expected;
    if (result !== undefined && !right) mismatches++;
    findings.check(right, "I2", () => `${name}: job ${last?.job} gave ${result?.digest}, right is ${round.expected}`);
  }
  checkTries(of("datums"), notes, findings);
  checkOnce(rounds, store, findings);
  return { rounds: rounds.length, results: results.length, mismatches };
}

/** I6: a datum has at most one try for each failure that its command wrote down, and the one that succeeded. */
function checkTries(lists: readonly Of<"datums">[], notes: readonly Note[], findings: Findings): void {
  const failures = new Map<string, number>();
  for (const { job, file, word } of notes)
    if (word === "fail") failures.set(`${job} ${file}`, (failures.get(`${job} ${file}`) ?? 0) + 1);
  for (const { job, datums } of lists) {
    for (const [path, tries] of datums) {
      const file = path.slice(path.lastIndexOf("/") + 1);
      const failed = failures.get(`${job} ${file}`) ?? 0;
      const what = () => `job ${job}: ${path} has ${tries} tries; its command failed ${failed} times`;
      findings.check(tries >= 1 && tries <= 1 + failed, "I6", what);
    }
  }
}

/** I10: every round is one commit, though it may have been sent several times. */
function checkOnce(rounds: readonly Of<"round">[], store: Store, findings: Findings): void {
  for (const [repo, ofRepo = []] of Map.groupBy(rounds, ({ repo }) => repo)) {
    const commits = [...store.keys()].filter((key) => key.startsWith(KEYS.commits(repo)));
    const known = new Set(ofRepo.map(({ commit }) => KEYS.commit(repo, commit)));
    const strange = commits.filter((key) => !known.has(key));
    // The last round may have been given up before its answer came.
    findings.check(strange.length <= 1, "I10", () => `${repo} has commits that no round made: ${strange.join(", ")}`);
    findings.check(known.size === ofRepo.length, "I10", () => `two rounds of ${repo} have one commit`);
  }
}
