import { execFileSync } from "node:child_process";
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";
import type { TestCluster } from "../kit/cluster.ts";
import { createPipeline, type PipelineOptions, putFiles, waitJob } from "../kit/pipelines.ts";
import { onCluster } from "./jobs.ts";
import type { Row } from "./row.ts";

const RSS_MB_MAX = 300;
const FILES = 100_000;
const AWAY_MS = 30_000;
const MANY_FILES = `i=0; while [ $i -lt ${FILES} ]; do echo $i >"$SHEAF_OUT/f$i"; i=$((i+1)); done`;

interface Trouble {
  readonly what: string;
  readonly name: string;
  readonly options: Pick<PipelineOptions, "script"> & Partial<PipelineOptions>;
  /** What the job must have come to. */
  readonly expected: string;
}

const TROUBLES: readonly Trouble[] = [
  {
    ...{ what: "one datum that says nothing, for comparison", name: "nothing", expected: "succeeded" },
    options: { script: "true" },
  },
  {
    ...{ what: "10 GB of log from one command, in lines of 64 bytes", name: "flood", expected: "succeeded" },
    options: { script: `yes ${"x".repeat(63)} | head -c 10000000000` },
  },
  {
    ...{ what: "one line of 300 MB in the log", name: "line", expected: "succeeded" },
    options: { script: "head -c 300000000 /dev/zero | tr '\\0' x" },
  },
  {
    ...{ what: `${FILES} files from one datum`, name: "files", expected: "succeeded" },
    options: { script: MANY_FILES },
  },
  {
    ...{ what: `${FILES} files from one datum, batching`, name: "files-batch", expected: "succeeded" },
    options: {
      script: `exec 3<"$SHEAF_DATUMS" 4>"$SHEAF_RESULTS"; while read -r n file <&3; do . "$file"; ${MANY_FILES}; echo "ok $n" >&4; done`,
      transform: { datumBatching: true },
    },
  },
  {
    ...{ what: "a command that fills its 256 MiB of memory", name: "memory", expected: "OOM" },
    options: {
      script: "head -c 2000000000 /dev/zero | tail -n 1 >/dev/null",
      spec: { resourceLimits: { memory: "256Mi" } },
    },
  },
  {
    ...{ what: "a fork bomb in 64 pids", name: "bomb", expected: "EXIT_2" },
    options: { script: "b() { b & b & wait; }; b 2>/dev/null; exit 2", spec: { resourceLimits: { pids: 64 } } },
  },
];

/** What users throw at a worker, at full size: that it holds, what it takes, and the worker's peak of memory. */
export async function trouble(_folder: string, runs: number): Promise<Row[]> {
  return onCluster(async (cluster, connection) => {
    await putFiles(connection, "one", new Map([["/f", "x"]]));
    const rows: Row[] = [];
    for (let run = 0; run < runs; run++)
      for (const each of TROUBLES) rows.push(await measure(cluster, connection, each, `${each.name}${run}`));
    for (const outage of outagesOf(cluster.folder)) rows.push(await storeAway(connection, outage));
    return rows;
  });
}

interface Outage {
  readonly what: string;
  readonly name: string;
  begin(): void;
  end(): void;
}

function outagesOf(folder: string): readonly Outage[] {
  const [store, away] = [join(folder, "store"), join(folder, "store-away")];
  const mount = (...args: string[]) => execFileSync("mount", args);
  return [
    {
      ...{ what: "the store's folder is away", name: "away" },
      begin: () => renameSync(store, away),
      end: () => renameSync(away, store),
    },
    {
      ...{ what: "the store's file system is read-only", name: "read-only" },
      begin: () => {
        mount("--bind", store, store);
        mount("-o", "remount,ro,bind", store);
      },
      end: () => execFileSync("umount", ["-l", store]),
    },
    {
      ...{ what: "the store is not mounted: its folder is empty", name: "unmounted" },
      begin: () => mount("-t", "tmpfs", "none", store),
      end: () => execFileSync("umount", ["-l", store]),
    },
  ];
}

async function measure(cluster: TestCluster, connection: Connection, trouble: Trouble, name: string): Promise<Row> {
  const { what, options, expected } = trouble;
  await createPipeline(connection, {
    ...{ name, repo: "one", glob: "/*", ...options },
    spec: { datumTries: 1, ...options.spec },
  });
  await waitJob(connection, name);
  const peak = Math.max(...cluster.workerPids().map(peakMbOf));
  const { datums } = await connection.client(api.DatumService).listDatums({ pipeline: name });
  const [datum] = datums;
  const ended = datum?.state === api.DatumState.SUCCESS ? "succeeded" : (datum?.reason ?? "nothing");
  const seconds = secondsOf(datum?.stats?.processTime) + secondsOf(datum?.stats?.uploadTime);
  await connection.client(api.PipelineService).deletePipeline({ name });
  return {
    ...{ what, ours: `${seconds.toFixed(1)} s, ${peak} MB`, against: "", goal: `${expected}, <= ${RSS_MB_MAX} MB` },
    ...{ figure: ended, reached: ended === expected && peak <= RSS_MB_MAX },
  };
}

/** Other services meet the same: master and merge replica use the store as well. */
async function storeAway(connection: Connection, how: Outage): Promise<Row> {
  const files = Array.from({ length: 60 }, (_, i) => [`/f${i}`, `${i}`] as const);
  await putFiles(connection, `in-${how.name}`, new Map(files));
  const script = 'sleep 0.5; cp "$SHEAF_INPUT" "$SHEAF_OUT"';
  await createPipeline(connection, {
    name: how.name,
    repo: `in-${how.name}`,
    glob: "/*",
    script,
    spec: { datumTries: 1 },
  });
  await waitJob(connection, how.name, ({ dataProcessed }) => dataProcessed > 5n);
  how.begin();
  await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
  how.end();
  const back = performance.now();
  const job = await waitJob(connection, how.name);
  const { datums } = await connection.client(api.DatumService).listDatums({ pipeline: how.name });
  const tries = Math.max(...datums.map((datum) => datum.tries));
  return {
    what: `${how.what} for ${AWAY_MS / 1_000} s while 60 datums of 0.5 s are worked on`,
    ours: `${((performance.now() - back) / 1_000).toFixed(1)} s from its return to the job's end`,
    ...{ against: "", goal: "succeeded, 1 try" },
    figure: `${job.state === api.JobState.SUCCEEDED ? "succeeded" : job.message}, ${job.dataProcessed} processed, ${tries} try`,
    reached: job.state === api.JobState.SUCCEEDED && tries === 1,
  };
}

function secondsOf(duration: { readonly seconds: bigint; readonly nanos: number } | undefined): number {
  return Number(duration?.seconds ?? 0n) + (duration?.nanos ?? 0) / 1e9;
}

function peakMbOf(pid: number): number {
  const [, kb = "0"] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kb) / 1_024);
}
