import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sheafRun } from "./programs.ts";
import { median, type Row, spread } from "./row.ts";

const LIMIT_S = 3;

/** `sheaf run` with one file: etcd, master, merge and a worker are started and ended. */
export async function coldRun(folder: string, runs: number): Promise<Row> {
  mkdirSync(join(folder, "in"), { recursive: true });
  writeFileSync(join(folder, "in", "a"), "hello\n");
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    times.push(sheafRun(folder, `out${run}`, ["-i", "in", "--", "sh", "-c", `cp "$SHEAF_INPUT" "$SHEAF_OUT/a"`]));
  }
  return {
    what: "`sheaf run` with one file, cold: etcd, master, merge, worker started, used and stopped",
    ours: `${spread(times)} s`,
    against: "",
    goal: `<= ${LIMIT_S} s`,
    figure: `${median(times).toFixed(2)} s`,
    reached: median(times) <= LIMIT_S,
  };
}
