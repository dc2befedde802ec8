import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { median, type Row, spread } from "./row.ts";

const PROGRAM = join(import.meta.dirname, "..", "..", "services", "worker", "src", "overlap.bench.ts");
const LIMIT = 1.15;

interface Outcome {
  readonly seconds: number;
  /** Seconds of all downloads, commands and uploads. */
  readonly stages: readonly number[];
}

/** A worker whose store is as slow as its command: the three stages shall hide behind one another. */
export async function overlap(_folder: string, runs: number): Promise<Row> {
  const outcomes: Outcome[] = [];
  for (let run = 0; run < runs; run++) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM], { encoding: "utf8" });
    if (status !== 0) throw new Error(`${PROGRAM} ended with ${status}: ${stderr}`);
    outcomes.push(JSON.parse(stdout) as Outcome);
  }
  const ratios = outcomes.map(({ seconds, stages }) => seconds / Math.max(...stages));
  const sums = outcomes.map(({ stages }) => stages.reduce((sum, stage) => sum + stage, 0));
  return {
    what: "300 datums of 1 MB, a store so slow that download, command and upload take about as long each; one worker",
    ours: `${spread(outcomes.map(({ seconds }) => seconds))} s`,
    against: `${spread(sums)} s, the three stages one after another`,
    goal: `<= ${LIMIT} x the longest stage`,
    figure: `${spread(ratios)} x`,
    reached: median(ratios) <= LIMIT,
  };
}
