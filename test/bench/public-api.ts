// The public API as its callers pay for it: one small call, one large file, and many who watch one job.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { toJsonString } from "@bufbuild/protobuf";
import { connect } from "@sheaf/client";
import { api } from "@sheaf/proto";
import { type Connection, publicConnection } from "@sheaf/rpc";
import type { TestCluster } from "../kit/cluster.ts";
import { createPipeline, jobOf, newestJob, putFiles } from "../kit/pipelines.ts";
import { onCluster } from "./jobs.ts";
import { median, type Row, spread } from "./row.ts";

const CALLS = 1_000;
const GIGABYTE = 1_000_000_000;
const WATCHERS = 200;
const CONNECTIONS = 10;
const DATUMS = 100_000;

export async function publicApi(folder: string, runs: number): Promise<Row[]> {
  mkdirSync(folder, { recursive: true });
  return [
    await onCluster((cluster, connection) => unaryCalls(cluster, connection, runs)),
    await onCluster((cluster, connection) => largeFile(cluster, connection, { folder, runs })),
    await onCluster((cluster, connection) => watchers(cluster, connection)),
  ];
}

/** A server of bare-servers.ts, in a process of its own. */
async function bare(kind: string, argument: string) {
  const child = spawn(process.execPath, [join(import.meta.dirname, "bare-servers.ts"), kind, argument], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [said] = (await once(child.stdout, "data")) as [Buffer];
  const { pid = 0 } = child;
  return { pid, address: `127.0.0.1:${said.toString().trim()}`, end: () => child.kill("SIGKILL") };
}

/** Times of the two sides, and what the servers' processes have used of the CPU for them: that counts where other work runs beside them. */
class Sides {
  readonly pids: readonly [number, number];
  readonly ms: [number[], number[]] = [[], []];
  readonly cpuMs: [number, number] = [0, 0];

  constructor(...pids: [number, number]) {
    this.pids = pids;
  }

  async measure(side: 0 | 1, work: () => Promise<void>): Promise<void> {
    const [cpu, begun] = [cpuMs(this.pids[side]), performance.now()];
    await work();
    this.ms[side].push(performance.now() - begun);
    this.cpuMs[side] += cpuMs(this.pids[side]) - cpu;
  }

  /** Theirs in ours: above 1 we are the faster. */
  get ratios(): { readonly time: number; readonly cpu: number } {
    return { time: median(this.ms[1]) / median(this.ms[0]), cpu: this.cpuMs[1] / this.cpuMs[0] };
  }
}

/** User and system time of a process. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function unaryCalls(cluster: TestCluster, connection: Connection, runs: number): Promise<Row> {
  const made = await putFiles(connection, "in", new Map([["/a", "1\n"]]));
  await createPipeline(connection, { name: "words", repo: "in", glob: "/*", script: "true" });
  await jobOf(connection, "words", made);
  const job = await newestJob(connection, "words");
  const echo = await bare(
    "echo",
    toJsonString(api.InspectJobResponseSchema, { $typeName: "sheaf.api.v1.InspectJobResponse", job }),
  );
  const sides = [publicConnection(cluster.address), publicConnection(echo.address)];
  const jobs = sides.map((side) => side.client(api.JobService));
  const calls = async (i: number) => {
    for (let call = 0; call < CALLS; call++) await jobs[i]?.inspectJob({ pipeline: "words", job: job.id });
  };
  for (const i of [0, 1]) await calls(i); // warms both up
  const times = new Sides(cluster.pid("master"), echo.pid);
  for (let run = 0; run < runs; run++) for (const i of [0, 1] as const) await times.measure(i, () => calls(i));
  for (const side of sides) side.close();
  echo.end();
  const { ratios } = times;
  const rate = (i: 0 | 1) =>
    spread(
      times.ms[i].map((ms) => (CALLS / ms) * 1_000),
      0,
    );
  const each = (i: 0 | 1) => `${(times.cpuMs[i] / runs / CALLS).toFixed(2)} ms of CPU each`;
  return {
    what: `InspectJob (by id, gRPC), one client, ${CALLS} calls one after another`,
    ours: `${rate(0)} calls/s, ${each(0)}`,
    against: `${rate(1)} calls/s, ${each(1)}, bare connect-node that answers the same job`,
    goal: ">= 0.8 x",
    figure: `${ratios.time.toFixed(2)} x, of CPU ${ratios.cpu.toFixed(2)} x`,
    reached: ratios.time >= 0.8,
  };
}

async function largeFile(
  cluster: TestCluster,
  connection: Connection,
  { folder, runs }: { readonly folder: string; readonly runs: number },
): Promise<Row> {
  const block = Buffer.alloc(1_000_000);
  const pieces = Array.from({ length: GIGABYTE / block.length }, (_, i) => {
    block.fill(`${i} `);
    return Buffer.from(block);
  });
  writeFileSync(join(folder, "large"), Buffer.concat(pieces));
  pieces.length = 0;
  const client = connect(cluster.address);
  await connection.client(api.RepoService).createRepo({ name: "in" });
  await client.putFiles("in", "master", [{ path: "large", source: join(folder, "large") }]);
  client.close();
  const { url } = await connection.client(api.FileService).getFileUrl({ commit: { repo: "in" }, path: "/large" });
  const server = await bare("static", folder);
  const curl = async (from: string) => {
    const { stdout } = await promisify(execFile)("curl", ["-sS", "-o", "/dev/null", "-w", "%{size_download}", from]);
    if (Number(stdout) !== GIGABYTE) throw new Error(`${from}: ${stdout} bytes`);
  };
  const from = [url, `http://${server.address}/large`] as const;
  for (const each of from) await curl(each); // warms both up, and the disk's cache
  const times = new Sides(cluster.pid("master"), server.pid);
  for (let run = 0; run < runs; run++) for (const i of [0, 1] as const) await times.measure(i, () => curl(from[i]));
  server.end();
  const { ratios } = times;
  const took = (i: 0 | 1) =>
    `${spread(times.ms[i].map((ms) => ms / 1_000))} s, ${(times.cpuMs[i] / runs / 1_000).toFixed(2)} s of CPU`;
  return {
    what: `1 GB by URL from a local store, each segment checked against its hash, curl; memory of the master ${peakMb(cluster.pid("master"))} MB`,
    ours: took(0),
    against: `${took(1)}, curl from a static file server (Node)`,
    goal: ">= 0.5 x",
    figure: `${ratios.time.toFixed(2)} x, of CPU ${ratios.cpu.toFixed(2)} x`,
    reached: ratios.time >= 0.5,
  };
}

/** All watch one job from its begin; each notes the greatest number of messages in any second, and the last state. */
async function watchers(cluster: TestCluster, connection: Connection): Promise<Row> {
  const path = (i: number) => `/${Math.floor(i / 1_000)}/${i}`;
  await putFiles(connection, "many", new Map(Array.from({ length: DATUMS }, (_, i) => [path(i), "x"])));
  await cluster.end("master", "SIGTERM"); // its peak shall not be that of the upload
  await cluster.run("master");
  const before = peakMb(cluster.pid("master"));
  await createPipeline(connection, {
    ...{ name: "busy", repo: "many", glob: "/*/*", script: "", workers: 2 },
    transform: { cmd: [], handler: "export default (datum) => datum.write(datum.name, datum.bytes());" },
    ...{ cmd: [] },
  });
  await newestEventually(connection, "busy");
  const connections = Array.from({ length: CONNECTIONS }, () => publicConnection(cluster.address));
  const begun = performance.now();
  const all = await Promise.all(
    Array.from({ length: WATCHERS }, async (_, i) => {
      const jobs = (connections[i % CONNECTIONS] as Connection).client(api.JobService);
      const times: number[] = [];
      let last: api.Job | undefined;
      for await (const { job } of jobs.watchJob({ pipeline: "busy" })) {
        times.push(performance.now());
        last = job ?? last;
      }
      return { times, last };
    }),
  );
  const seconds = (performance.now() - begun) / 1_000;
  for (const each of connections) each.close();
  const most = Math.max(...all.map(({ times }) => busiest(times)));
  const missed = all.filter(
    ({ last }) => last?.state !== api.JobState.SUCCEEDED || Number(last.dataProcessed) !== DATUMS,
  );
  const peak = peakMb(cluster.pid("master"));
  const messages = all.reduce((sum, { times }) => sum + times.length, 0);
  return {
    what: `${WATCHERS} watchers of one job of ${DATUMS} datums (a handler), ${seconds.toFixed(0)} s, ${messages} messages`,
    ours: `master ${peak} MB at its peak (${before} MB before), at most ${most} messages a second to one watcher, ${missed.length} missed the last`,
    against: "",
    goal: "<= 300 MB, <= 10 a second, none misses the last",
    figure: `${peak} MB, ${most}, ${missed.length}`,
    reached: peak <= 300 && most <= 10 && missed.length === 0,
  };
}

/** The most messages within any one second. */
function busiest(times: readonly number[]): number {
  let from = 0;
  return times.reduce((most, at, to) => {
    while ((times[from] ?? at) <= at - 1_000) from++;
    return Math.max(most, to - from + 1);
  }, 0);
}

async function newestEventually(connection: Connection, pipeline: string): Promise<void> {
  for (;;) {
    const answer = await connection.client(api.JobService).listJobs({ pipeline });
    if (answer.jobs.length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function peakMb(pid: number): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Math.round(Number(line?.[1] ?? Number.NaN) / 1_024);
}
