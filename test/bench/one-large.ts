import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { api } from "@sheaf/proto";
import { createPipeline } from "../kit/pipelines.ts";
import { onCluster, processed } from "./jobs.ts";
import { CLI, timed } from "./programs.ts";
import { median, type Row, spread } from "./row.ts";

const BYTES = 1_000_000_000;
const SHARE = 0.5;
const RSS_LIMIT_MB = 300;

/**
 * One datum that copies a large file: what checking every byte on the way in and out costs, and that it takes no memory. A copy
 * that is like its input is in the store already, and is not written again; so there is another, whose bytes are all moved by a few.
 */
export async function oneLarge(folder: string, runs: number): Promise<Row[]> {
  mkdirSync(join(folder, "in"), { recursive: true });
  timed("sh", ["-c", `head -c ${BYTES} /dev/urandom >in/large`], folder);
  const copies = [
    { what: "the same 1 GB out", copy: (from: string, to: string, _run: number) => `cp ${from} ${to}` },
    {
      what: "1 GB out that is new to the store",
      copy: (from: string, to: string, run: number) => `{ echo ${run}; cat ${from}; } >${to}`,
    },
  ].map((kind) => ({ ...kind, ours: [] as number[], theirs: [] as number[], megabytes: [] as number[] }));
  await onCluster(async (cluster, connection) => {
    const sheaf = (...args: string[]) => {
      const env = { ...process.env, SHEAF_ADDRESS: cluster.address };
      const { status, stderr } = spawnSync(process.execPath, [CLI, ...args], { cwd: folder, env, encoding: "utf8" });
      if (status !== 0) throw new Error(`sheaf ${args.join(" ")} ended with ${status}: ${stderr}`);
    };
    sheaf("repo", "create", "large");
    sheaf("file", "put", "large@master", "-r", "in");
    for (let run = 0; run < runs; run++) {
      for (const [kind, { copy, ours, theirs, megabytes }] of copies.entries()) {
        const name = `copy${kind}-${run}`;
        const plain = () => {
          theirs.push(timed("sh", ["-c", `${copy("in/large", name, run)} && sync ${name}`], folder));
          rmSync(join(folder, name));
        };
        // In turn: who comes second writes into memory that has just been freed, and need not ask the host for it.
        if (run % 2 === 1) plain();
        const script = copy('"$SHEAF_INPUT"', '"$SHEAF_OUT/copy"', run);
        await createPipeline(connection, { name, repo: "large", glob: "/*", script });
        ours.push((await processed(connection, name)).seconds);
        megabytes.push(...peaksOf(cluster.folder));
        await connection.client(api.PipelineService).deletePipeline({ name });
        if (run % 2 === 0) plain();
      }
    }
  });
  return copies.map(({ what, ours, theirs, megabytes }) => {
    const ratio = median(theirs) / median(ours);
    const peak = Math.max(...megabytes);
    return {
      what: `one datum of 1 GB in, ${what}, local store; from its claim to its commit`,
      ours: `${spread(ours)} s, ${peak} MB of memory`,
      against: `${spread(theirs)} s, cp or cat, and sync`,
      goal: `>= ${SHARE} x, <= ${RSS_LIMIT_MB} MB`,
      figure: `${ratio.toFixed(2)} x`,
      reached: ratio >= SHARE && peak <= RSS_LIMIT_MB,
    };
  });
}

/** Peak memory of the workers whose data lies below the folder, in MB. */
function peaksOf(folder: string): number[] {
  const read = (pid: string, file: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, "utf8");
    } catch {
      return "";
    }
  };
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && read(pid, "cmdline").includes("worker/src/main.ts"))
    .filter((pid) => read(pid, "cmdline").includes(folder))
    .map((pid) => Math.round(Number(/VmHWM:\s+(\d+) kB/.exec(read(pid, "status"))?.[1] ?? 0) / 1_024));
}
