// Ten thousand small datums, with a process for each and without: what the worker itself costs. The job's own time counts, on a cluster whose
// workers wait, as somebody sees it who has a cluster: from the job's first claim to the published result.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { connect } from "@sheaf/client";
import type { api } from "@sheaf/proto";
import { onCluster } from "./jobs.ts";
import { timed } from "./programs.ts";
import { median, type Row, spread } from "./row.ts";

const FILES = 10_000;
const WORKERS = 2;
const RSS_MB_MAX = 300;

const SHELL = `
exec 3<"$SHEAF_DATUMS" 4>"$SHEAF_RESULTS"
while read -r number file <&3; do
  . "$file"
  read -r line <"$SHEAF_INPUT"
  echo "\${#line}" >"$SHEAF_OUT/\${SHEAF_INPUT##*/}"
  echo "ok $number" >&4
done`;

const PYTHON = `
import os, sys
sys.path.insert(0, ${JSON.stringify(join(import.meta.dirname, "../../libs/clients/python"))})
import sheaf
for datum in sheaf.datums():
    with open(datum.input, "rb") as f: n = len(f.read())
    with open(os.path.join(datum.out, os.path.basename(datum.input)), "w") as f: f.write(str(n))
`;

const PYTHON_TEN = PYTHON.replace(
  /^ {4}with open\(os.*$/m,
  '    for i in range(10):\n        with open(os.path.join(datum.out, os.path.basename(datum.input) + "." + str(i)), "w") as f: f.write(str(n))',
);

const HANDLER = "export default (datum) => datum.write(datum.name, String(datum.bytes().length));";

interface Case {
  readonly what: string;
  readonly transform: { readonly cmd?: string[]; readonly datumBatching?: boolean; readonly handler?: string };
  /** Files that each datum writes. */
  readonly outputs: number;
  /** Output files per second, or the share of what `xargs` makes. */
  readonly goal: { readonly rate: number } | { readonly share: number };
}

const COMMAND = `wc -c < "$SHEAF_INPUT" > "$SHEAF_OUT/\${SHEAF_INPUT##*/}"`;

const CASES: readonly Case[] = [
  { what: "a command for each", transform: { cmd: ["sh", "-c", COMMAND] }, outputs: 1, goal: { share: 0.75 } },
  {
    what: "batching, sh",
    transform: { cmd: ["sh", "-c", SHELL], datumBatching: true },
    outputs: 1,
    goal: { rate: 4_000 },
  },
  {
    what: "batching, Python",
    transform: { cmd: ["python3", "-c", PYTHON], datumBatching: true },
    outputs: 1,
    goal: { rate: 4_000 },
  },
  { what: "JavaScript handler", transform: { handler: HANDLER }, outputs: 1, goal: { rate: 8_000 } },
  {
    what: "batching, Python, 10 files from each datum",
    transform: { cmd: ["python3", "-c", PYTHON_TEN], datumBatching: true },
    outputs: 10,
    goal: { rate: 8_000 },
  },
];

export async function manyDatums(folder: string, runs: number): Promise<Row[]> {
  mkdirSync(join(folder, "in"), { recursive: true });
  for (let i = 0; i < FILES; i++) writeFileSync(join(folder, "in", `f${i}`), `${i}`.padEnd(1_023, "x").concat("\n"));
  const theirs: number[] = [];
  for (let run = 0; run < runs; run++) {
    mkdirSync(join(folder, `plain${run}`));
    const script = `ls in | xargs -P2 -I{} sh -c 'wc -c < in/{} > plain${run}/{}'`;
    theirs.push(FILES / timed("sh", ["-c", script], folder));
  }
  return onCluster(async (cluster) => {
    const client = connect(cluster.address);
    try {
      await client.rpc.repo.createRepo({ name: "in" });
      await client.putFolder("in", "master", join(folder, "in"));
      const rows = [];
      for (const [i, each] of CASES.entries()) rows.push(await measure(each, `case${i}`));
      return rows;
    } finally {
      client.close();
    }

    async function measure({ what, transform, outputs, goal }: Case, name: string): Promise<Row> {
      const ours: number[] = [];
      await client.submit({
        pipeline: { name },
        transform,
        input: { pfs: { name: "in", repo: "in", glob: "/*" } },
        parallelismSpec: { constant: BigInt(WORKERS) },
        reprocessSpec: "every_job",
      });
      let job = await client.waitJob(name, { firstJobMs: 30_000 });
      for (let run = 0; run < runs; run++) {
        await client.rpc.pipeline.runPipeline({ name });
        job = await nextJob(name, job.id);
        if (job.dataProcessed !== BigInt(FILES)) throw new Error(`${what}: ${job.message}`);
        ours.push((FILES * outputs) / secondsOf(job));
      }
      const rss = Math.max(...cluster.workerPids().map(peakMbOf));
      await client.rpc.pipeline.deletePipeline({ name });
      const [rate, share] = [median(ours), median(ours) / median(theirs)];
      const isFast = "rate" in goal ? rate >= goal.rate : share >= goal.share;
      return {
        what: `${FILES} files of 1 KB, ${what}, ${WORKERS} workers that wait; output files by the job's own time`,
        ours: `${spread(ours, 0)} files/s, ${rss} MB`,
        against: `${spread(theirs, 0)} files/s, xargs -P2 sh -c`,
        goal: `>= ${"rate" in goal ? `${goal.rate} files/s` : `${goal.share} x`}, <= ${RSS_MB_MAX} MB`,
        figure: `${rate.toFixed(0)} files/s, ${share.toFixed(2)} x`,
        reached: isFast && rss <= RSS_MB_MAX,
      };
    }

    async function nextJob(name: string, before: string): Promise<api.Job> {
      for (;;) {
        const job = await client.waitJob(name, { firstJobMs: 30_000 });
        if (job.id !== before) return job;
      }
    }
  });
}

function secondsOf({ started, finished }: api.Job): number {
  if (started === undefined || finished === undefined) throw new Error("the job has no times");
  return (timestampMs(finished) - timestampMs(started)) / 1_000;
}

function peakMbOf(pid: number): number {
  const [, kb = "0"] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kb) / 1_024);
}
