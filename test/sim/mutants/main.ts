/**
 * `npm run mutants [-- --seeds N --from SEED]`: removes each guard of the ledger in turn and shows which invariant of the simulation
 * notices. A guard that nobody misses fails: then the net has a hole, or the guard is not needed.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { numberOf, readOptions } from "../options.ts";
import { MUTANTS, type Mutant } from "./table.ts";
import type { Task, Verdict } from "./thread.ts";

const USAGE = "usage: npm run mutants -- [--seeds N] [--from SEED]";
const values = readOptions(
  { seeds: { type: "string", default: "2000" }, from: { type: "string", default: "1" } },
  USAGE,
);
const seeds = numberOf("seeds", values.seeds, USAGE, { least: 1 });
const from = numberOf("from", values.from, USAGE);
/** Histories of the product as it is, which must all be good: a net that catches everything proves nothing. */
const SOUND_SEEDS = 200;

function run(task: Task): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL("./thread.ts", import.meta.url), { workerData: task });
    thread.once("message", resolve);
    thread.once("error", reject);
    thread.once("exit", (code) => reject(new Error(`a mutant's thread ended with ${code} and no verdict`)));
  });
}

function tell(name: string, verdict: Verdict): string {
  switch (verdict.kind) {
    case "caught":
      return `${name.padEnd(60)} ${verdict.by.padEnd(4)} seed ${String(verdict.seed).padEnd(6)} ${verdict.message.slice(0, 100).split("\n")[0]}`;
    case "survived":
      return `${name.padEnd(60)} SURVIVED ${verdict.tried} histories`;
    case "stale":
      return `${name.padEnd(60)} STALE: not found exactly once in ${verdict.file}: ${verdict.text}`;
  }
}

let failed = 0;
const waiting: (Mutant | null)[] = [null, ...MUTANTS];
const lane = async () => {
  for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
    const verdict = await run({ mutant, from, seeds: mutant === null ? SOUND_SEEDS : seeds });
    const isGood = verdict.kind === (mutant === null ? "survived" : "caught");
    if (!isGood) failed++;
    const name = mutant?.name ?? "(nothing is removed)";
    console.log(
      `${isGood ? "ok  " : "FAIL"} ${mutant === null && isGood ? `${name.padEnd(60)} ${SOUND_SEEDS} good histories` : tell(name, verdict)}`,
    );
  }
};
const begun = performance.now();
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, lane));
const seconds = ((performance.now() - begun) / 1_000).toFixed(1);
console.log(`${MUTANTS.length - failed} of ${MUTANTS.length} mutants caught in ${seconds} s`);
process.exitCode = failed === 0 ? 0 : 1;
