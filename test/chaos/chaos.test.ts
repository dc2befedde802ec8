// Two minutes of chaos with a fixed seed: the whole of `npm run chaos`, in the test command. What it leaves is kept when it fails.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { checkRun } from "./check/check.ts";
import { FAULTS } from "./faults/catalogue.ts";
import { planFaults } from "./plan.ts";
import { reportOf } from "./report.ts";
import { runChaos } from "./run.ts";

const SEED = 4;
const FAULTS_MS = 75_000;
const PATIENCE_MS = 60_000;
/** Faults, patience, and what is waited for afterwards; other tests have 120 s. */
const TEST_MS = 240_000;

test("every invariant holds through two minutes of faults", { timeout: TEST_MS }, async () => {
  const folder = mkdtempSync(join(tmpdir(), `sheaf-chaos-${SEED}-`));
  // Faults of the disk need strace, which not every machine has; `npm run chaos` uses it where it is.
  const faults = FAULTS.filter(({ needs }) => needs === undefined);
  const plan = planFaults({ seed: SEED, ms: FAULTS_MS, kinds: faults, pauseMs: [2_000, 14_000] });
  await runChaos({
    ...{ folder, seed: SEED, faults, plan, patienceMs: PATIENCE_MS },
    shape: { masters: 2, merges: 2, fsync: false },
    stopped: new AbortController().signal,
    say: () => {},
  });
  const verdict = checkRun(folder);
  console.log(reportOf(verdict, folder));
  assert.deepEqual(verdict.broken, [], `artefacts in ${folder}`);
  assert.ok(verdict.rounds >= 6, `only ${verdict.rounds} rounds: nothing was tested`);
  assert.ok(Object.keys(verdict.figures.faults).length >= 8, "too few kinds of faults began");
  rmSync(folder, { recursive: true });
});
