import { readFileSync } from "node:fs";
import { connectEtcd, keysOf } from "@sheaf/etcd";
import { TestCluster } from "../kit/cluster.ts";
import { createPipeline, putFiles } from "../kit/pipelines.ts";
import { processed } from "./jobs.ts";
import type { Row } from "./row.ts";

const FEW = 1_000;
const MANY = 100_000;
const WORKERS = 2;
const PER_RUN = 3;
/** Operations that do not come with a run: ledgers opened and closed, job records, worker and owner keys. */
const PER_WORKER = 50;
const RSS_LIMIT_MB = 200;

/** Changes of keys, by etcd's own watch, of one job of `count` datums that do nothing; and the memory of master and merge. */
async function operationsOf(count: number) {
  const cluster = await TestCluster.start({}, true);
  const connection = cluster.connection();
  const etcd = await connectEtcd({ addresses: [cluster.etcdAddress] });
  try {
    let operations = 0;
    let runs = 0;
    const keys = keysOf("default");
    await putInSteps(connection, count);
    // The peak shall be that of the job, not of the upload before it.
    await cluster.end("master", "SIGTERM");
    await cluster.run("master");
    const watch = etcd.watch(keys.root, {
      snapshot: () => {},
      events: (events) => {
        operations += events.length;
        for (const event of events) if (event.type === "put" && keys.parse(event.kv.key)?.of === "done") runs++;
      },
    });
    await watch.ready;
    await createPipeline(connection, {
      name: "noop",
      repo: "many",
      glob: "/*/*",
      cmd: ["true"],
      script: "",
      workers: WORKERS,
    });
    await processed(connection, "noop");
    await watch.close();
    const megabytes = (["master", "merge"] as const).map((name) => peakMb(cluster.pid(name)));
    return { operations, runs, megabytes };
  } finally {
    connection.close();
    await etcd.close();
    await cluster.stop();
  }
}

async function putInSteps(connection: Parameters<typeof putFiles>[0], count: number): Promise<void> {
  const path = (i: number) => `/${Math.floor(i / 1_000)}/${i}`;
  await putFiles(connection, "many", new Map(Array.from({ length: count }, (_, i) => [path(i), "x"])));
}

function peakMb(pid: number): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Math.round(Number(line?.[1] ?? Number.NaN) / 1_024);
}

export async function etcdOperations(_folder: string, _runs: number): Promise<Row> {
  const [few, many] = [await operationsOf(FEW), await operationsOf(MANY)];
  const text = ({ operations, runs }: typeof few) => `${operations} for ${runs} runs`;
  const bound = ({ runs }: typeof few) => PER_RUN * runs + PER_WORKER * WORKERS;
  const memory = many.megabytes.every((mb) => mb <= RSS_LIMIT_MB);
  return {
    what: `etcd operations (changes of keys) of a job, ${FEW} and ${MANY} datums that do nothing, ${WORKERS} workers; peak memory of master and merge`,
    ours: `${text(few)}; ${text(many)}; ${many.megabytes.join(" and ")} MB`,
    against: "",
    goal: `<= ${PER_RUN} a run + ${PER_WORKER} a worker; <= ${RSS_LIMIT_MB} MB each`,
    figure: `${(few.operations / bound(few)).toFixed(2)} and ${(many.operations / bound(many)).toFixed(2)} of the bound`,
    reached: few.operations <= bound(few) && many.operations <= bound(many) && memory,
  };
}
