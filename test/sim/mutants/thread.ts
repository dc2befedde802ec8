/** A thread that runs histories of one mutant until one is broken: that kills it. */
import { parentPort, workerData } from "node:worker_threads";
import { replaceOnLoad } from "./hook.ts";
import type { Mutant } from "./table.ts";

export interface Task {
  /** Null: the product as it is. */
  readonly mutant: Mutant | null;
  readonly from: number;
  readonly seeds: number;
}

export type Verdict =
  | {
      readonly kind: "caught";
      readonly seed: number;
      readonly tried: number;
      readonly by: string;
      readonly message: string;
    }
  | { readonly kind: "survived"; readonly tried: number }
  | { readonly kind: "stale"; readonly file: string; readonly text: string };

const { mutant, from, seeds } = workerData as Task;
const stale = replaceOnLoad(mutant?.replacements ?? []);
// After the hook: what it loads is the mutant.
const { runSeed } = await import("../run-seed.ts");

async function verdict(): Promise<Verdict> {
  const [missing] = stale();
  if (missing !== undefined) return { kind: "stale", file: missing.file, text: missing.from };
  for (let seed = from; seed < from + seeds; seed++) {
    const { violation } = await runSeed(seed);
    const tried = seed - from + 1;
    if (violation !== null) return { kind: "caught", seed, tried, by: violation.invariant, message: violation.message };
  }
  return { kind: "survived", tried: seeds };
}

parentPort?.postMessage(await verdict());
