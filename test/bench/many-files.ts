import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sheafRun, timed } from "./programs.ts";
import { median, type Row, spread } from "./row.ts";

const FILES = 10_000;
const SHARE = 0.5;

/** One shell command per small file, two at a time: what the machinery around the command costs. */
export async function manyFiles(folder: string, runs: number): Promise<Row> {
  mkdirSync(join(folder, "in"), { recursive: true });
  for (let i = 0; i < FILES; i++) writeFileSync(join(folder, "in", `f${i}`), `${i}`.padEnd(1_023, "x").concat("\n"));
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let run = 0; run < runs; run++) {
    const command = `wc -c < "$SHEAF_INPUT" > "$SHEAF_OUT/\${SHEAF_INPUT##*/}"`;
    ours.push(FILES / sheafRun(folder, `out${run}`, ["-i", "in", "-w", "2", "--", "sh", "-c", command]));
    if (readdirSync(join(folder, `out${run}`)).length !== FILES) throw new Error("files are missing in the result");
    mkdirSync(join(folder, `plain${run}`));
    theirs.push(FILES / timed("sh", ["-c", `ls in | xargs -P2 -I{} sh -c 'wc -c < in/{} > plain${run}/{}'`], folder));
  }
  const ratio = median(ours) / median(theirs);
  return {
    what: `${FILES} files of 1 KB, \`wc -c < in > out\`, 2 workers, start and stop included, durable result`,
    ours: `${spread(ours, 0)} files/s`,
    against: `${spread(theirs, 0)} files/s, xargs -P2 sh -c`,
    goal: `>= ${SHARE} x`,
    figure: `${ratio.toFixed(2)} x`,
    reached: ratio >= SHARE,
  };
}
