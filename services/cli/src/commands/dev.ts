/** `sheaf dev`: a cluster on this machine, until Ctrl-C. */
import { createServer } from "node:net";
import { resolve } from "node:path";
import type { Command } from "commander";
import { action, type Call, leaf, wholeNumber } from "../action.ts";
import { startOwnCluster, storeOf } from "../cluster/own-cluster.ts";
import { EXIT } from "../exit-codes.ts";
import { Progress } from "../output/progress.ts";
import type { Session } from "../session.ts";

/** Taken when it is free, so that one SHEAF_ADDRESS fits from day to day. */
const USUAL_PORT = 7450;
const HOST = "127.0.0.1";
/** Everything is over within 3 s of Ctrl-C. */
const STOP_GRACE_MS = 1_500;
const WORKERS_MAX = 10_000;

interface DevFlags {
  readonly workers?: number;
  readonly workersMax?: number;
  readonly nodes?: number;
  readonly data?: string;
  readonly port?: number;
  readonly store?: string;
}

export function defineDev(program: Command, session: Session): void {
  leaf(program, {
    usage: "dev",
    isLocal: true,
    summary: "Runs etcd, master, merge and workers on this machine until Ctrl-C, and prints its address.",
    examples: [
      "sheaf dev",
      "sheaf dev --data ./sheaf-data --port 7450",
      "sheaf dev --data ./sheaf-data --store 's3://bucket/prefix?region=eu-west-1'",
    ],
  })
    .option(
      "--workers <n>",
      "workers of a pipeline that does not say how many (default: 1)",
      wholeNumber(1, WORKERS_MAX),
    )
    .option(
      "--workers-max <n>",
      "workers of all pipelines together, at most (default: 10000)",
      wholeNumber(1, WORKERS_MAX),
    )
    .option(
      "--nodes <n>",
      "how many nodes this machine counts as, for pipelines with a coefficient (default: 1)",
      wholeNumber(1, WORKERS_MAX),
    )
    .option("--data <dir>", "folder that keeps everything (default: a temporary one, removed at the end)")
    .option(
      "--port <port>",
      `port of the API (default: ${USUAL_PORT} when it is free, else any)`,
      wholeNumber(0, 65_535),
    )
    .option("--store <url>", "where objects are kept (default: SHEAF_STORE, else the data folder)")
    .action(action<DevFlags, []>(session, dev));
}

async function dev(call: Call, flags: DevFlags): Promise<number> {
  const { host, signal } = call;
  const { data, port, store } = flags;
  const { stdout, stderr, cwd } = host;
  const progress = new Progress(stderr, host.clock);
  progress.say("starting etcd, master and merge");
  const cluster = await startOwnCluster(host, {
    signal,
    port: port ?? ((await isFree(USUAL_PORT)) ? USUAL_PORT : 0),
    ...storeOf(store, host),
    ...(data === undefined ? {} : { dataDir: resolve(cwd, data) }),
    masterFlags: masterFlags(flags),
    onRestart: (text) => progress.note(text),
  }).finally(() => progress.end());
  const { address } = cluster;
  if (call.json) stdout.write(`${JSON.stringify({ address, dataDir: cluster.dataDir })}\n`);
  else stdout.write(greeting(address, cluster.dataDir, data !== undefined));
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  progress.say("stopping");
  await cluster.stop(STOP_GRACE_MS);
  progress.end();
  return EXIT.interrupted;
}

function masterFlags({ workers, workersMax, nodes }: DevFlags): string[] {
  const settings = { "--default-workers": workers, "--workers-max": workersMax, "--nodes": nodes };
  return Object.entries(settings).flatMap(([flag, value]) => (value === undefined ? [] : [flag, String(value)]));
}

function greeting(address: string, dataDir: string, isKept: boolean): string {
  const lines = [
    `Sheaf runs at ${address}. In another terminal:`,
    `  export SHEAF_ADDRESS=${address}`,
    "  sheaf cluster inspect",
    `Data: ${dataDir}${isKept ? "" : " (temporary: give --data to keep it)"}. Ctrl-C ends it.`,
  ];
  return `${lines.join("\n")}\n`;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: HOST, port }, () => server.close(() => resolve(true)));
  });
}
