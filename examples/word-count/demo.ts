/**
 * `npm run demo`: counts the words of every .md, .ts and .js file that the dependencies of this project ship, on a cluster
 * of its own that is gone at the end. The pipeline is the one beside this file; it could be given to any cluster.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { connect, readSpec, type SheafClient } from "@sheaf/client";
import { api } from "@sheaf/proto";
import { LocalCluster } from "@sheaf/provision";
import { createLogger, exitCodeOf, messageOf, systemClock, systemRandom, toSheafError } from "@sheaf/runtime";
import { mib, ProgressLine } from "./progress.ts";

const PROJECT = join(import.meta.dirname, "..", "..");
const INPUT = join(PROJECT, "node_modules");
const RESULT = join(PROJECT, ".sheaf", "demo");
const TOP = 10;
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

const spec = readSpec(join(import.meta.dirname, "pipeline.json"));
const pipeline = spec.pipeline?.name ?? "";
const repo = spec.input?.pfs?.repo ?? "";

const line = new ProgressLine(process.stdout);
const dataDir = mkdtempSync(join(tmpdir(), "sheaf-demo-"));
const cluster = new LocalCluster({
  dataDir,
  env: process.env,
  ephemeral: true,
  log: createLogger({ component: "demo", env: { SHEAF_LOG_LEVEL: "error", ...process.env } }),
  clock: systemClock,
  random: systemRandom,
  onRestart: ({ name, why }) => line.say(`${name}: ${why}; starting it again`),
});

let stopping = false;
for (const [signal, code] of Object.entries(SIGNALS)) {
  process.on(signal, () => {
    // Ctrl-C comes from the terminal, and once more from npm.
    if (stopping) return;
    stopping = true;
    line.end();
    void clear(1_000).finally(() => process.exit(code));
  });
}
process.exitCode = await demo();

/** Returns the exit code; whatever happens, no process and no folder stays. */
async function demo(): Promise<number> {
  const began = systemClock.now();
  try {
    line.say("starting etcd, a master and a merge replica on this machine ...");
    const { address } = await cluster.start();
    const client = connect(address);
    try {
      return await count(client, began);
    } finally {
      client.close();
    }
  } catch (thrown) {
    line.end();
    const error = toSheafError(thrown);
    console.error(`demo: ${messageOf(error)}`);
    return exitCodeOf(error);
  } finally {
    await clear(0);
  }
}

async function count(client: SheafClient, began: number): Promise<number> {
  await client.rpc.repo.createRepo({ name: repo });
  // The pipeline first: its workers start while the files are on their way.
  await client.submit(spec);
  const input = await client.putFolder(repo, "master", INPUT, {
    filter: (path) => /\.(md|ts|js)$/.test(path),
    onProgress: ({ files, bytes }) => line.show(`reading ${files} files, ${mib(bytes)}`),
  });
  line.say(
    `read ${input.files} files (${mib(input.bytes)}) of ${relative(PROJECT, INPUT)}: one datum each, two workers`,
  );
  const job = await client.waitJob(pipeline, { firstJobMs: 30_000, onChange: (now) => line.show(progressOf(now)) });
  if (job.state !== api.JobState.SUCCEEDED) {
    line.end();
    console.error(`demo: the job failed: ${job.message}`);
    return 1;
  }
  rmSync(RESULT, { recursive: true, force: true });
  await client.getFolder({ repo: pipeline, ref: job.outputCommit }, RESULT);
  const result = join(RESULT, "counts");
  line.end();
  showTop(readFileSync(result, "latin1"));
  const seconds = ((systemClock.now() - began) / 1_000).toFixed(1);
  console.log(
    `\n${job.dataProcessed} datums, ${mib(input.bytes)}, ${seconds} s; the merged result: ${relative(process.cwd(), result)}`,
  );
  return 0;
}

function progressOf(job: api.Job): string {
  const done = job.dataProcessed + job.dataFailed + job.dataSkipped;
  switch (job.state) {
    case api.JobState.CREATED:
    case api.JobState.PLANNING:
      return `planning${job.waitingFor === "" ? "" : `: ${job.waitingFor}`}`;
    case api.JobState.PROCESSING:
      return `counting: ${done} of ${job.dataTotal} datums, ${job.workers} workers`;
    default:
      return `merging: ${job.shardsDone} of ${job.shardsTotal} shards`;
  }
}

/** Lines are "word TAB number". */
function showTop(counts: string): void {
  const rows = counts
    .split("\n")
    .filter((row) => row !== "")
    .map((row) => row.split("\t"))
    .map(([word = "", number = "0"]) => ({ word, number: Number(number) }));
  const top = rows.sort((a, b) => b.number - a.number || (a.word < b.word ? -1 : 1)).slice(0, TOP);
  console.log(`\nthe ${TOP} most frequent of ${rows.length} words:`);
  for (const { word, number } of top) console.log(`${String(number).padStart(9)}  ${word}`);
}

async function clear(graceMs: number): Promise<void> {
  await cluster.stop({ graceMs });
  rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
}
