/** `sheaf job`. */
import { enumWord, enumWords, isTerminal, type SheafClient } from "@sheaf/client";
import { api } from "@sheaf/proto";
import { parseDuration } from "@sheaf/runtime";
import { type Command, InvalidArgumentError, Option } from "commander";
import { action, type Call, leaf, noun } from "../action.ts";
import { EXIT } from "../exit-codes.ts";
import { escapeFor } from "../output/escape.ts";
import { jsonLine } from "../output/json.ts";
import { bytes, count, counted, duration } from "../output/numbers.ts";
import { Progress } from "../output/progress.ts";
import { type Columns, msBetween, say, showOne, showRows, time } from "../output/show.ts";
import { describeFailedJob } from "../run/failed-job.ts";
import { jobLine, jobProgress, successNotes } from "../run/job-text.ts";
import { jobOfNewestCommit } from "../run/newest-job.ts";
import type { Session } from "../session.ts";
import { checkPipeline } from "./known-pipeline.ts";

const STATES = enumWords(api.JobStateSchema);

const COLUMNS: Columns<api.Job> = {
  JOB: ({ id }) => id,
  PIPELINE: ({ pipeline }) => pipeline,
  STATE: ({ state }) => enumWord(api.JobStateSchema, state),
  PROGRESS: jobProgress,
  FAILED: ({ dataFailed }) => count(dataFailed),
  CREATED: ({ created }) => time(created),
  TOOK: took,
};

const FIELDS: Columns<api.Job> = {
  job: ({ id }) => id,
  pipeline: (job) => `${job.pipeline}, version ${job.pipelineVersion}`,
  state: ({ state }) => enumWord(api.JobStateSchema, state),
  "waits for": ({ waitingFor }) => waitingFor,
  why: ({ message, reason }) => message || reason,
  datums,
  backups: ({ backups }) => (backups === 0n ? "" : `${counted(backups, "straggler")} overtaken by a backup`),
  shards: (job) => (job.shardsTotal === 0 ? "" : `${job.shardsDone}/${job.shardsTotal} merged`),
  "bytes in": ({ stats }) => bytes(stats?.downloadBytes ?? 0n),
  "bytes out": ({ stats }) => bytes(stats?.uploadBytes ?? 0n),
  workers: ({ workers }) => workers,
  inputs: ({ inputs }) =>
    inputs.map(({ repo, branch, commit }) => `${repo}@${branch} = ${commit || "no commit"}`).join(", "),
  output: ({ outputBranch, outputCommit }) => `${outputBranch}${outputCommit === "" ? "" : ` = ${outputCommit}`}`,
  created: ({ created }) => time(created),
  finished: ({ finished }) => time(finished),
  took,
};

/** Each count by itself; those that are none in most jobs only when they are something. */
function datums(job: api.Job): string {
  if (job.dataTotal === 0n) return job.state === api.JobState.SUCCEEDED ? "none: the glob matched nothing" : "";
  const counts = [
    `${count(job.dataProcessed)} processed`,
    `${count(job.dataSkipped)} skipped`,
    ...(job.dataRecovered === 0n ? [] : [`${count(job.dataRecovered)} recovered`]),
    `${count(job.dataFailed)} failed`,
    ...(job.dataInFlight === 0n ? [] : [`${count(job.dataInFlight)} in work`]),
  ];
  return `${counts.join(", ")}, of ${count(job.dataTotal)}`;
}

function took({ created, finished }: api.Job): string {
  const ms = msBetween(created, finished);
  return ms === undefined ? "" : duration(ms);
}

export function defineJob(program: Command, session: Session): void {
  const job = noun(program, "job", "Jobs: runs of pipelines over pinned commits.");
  leaf(job, {
    usage: "list [pipeline]",
    summary: "Lists jobs, newest first. PROGRESS is processed + skipped (+ recovered) / all datums.",
    examples: ["sheaf job list", "sheaf job list status-codes --state failed"],
  })
    .addOption(new Option("--state <states...>", "only these states").choices([...STATES.keys()]))
    .action(
      action<{ state?: string[] }, [string | undefined]>(session, async (call, { state = [] }, pipeline = "") => {
        const client = await call.connect();
        const states = state.flatMap((word) => STATES.get(word) ?? []);
        await checkPipeline(call, pipeline);
        await showRows(call, api.JobSchema, client.jobs({ pipeline, states }), COLUMNS);
      }),
    );
  leaf(job, {
    usage: "inspect <pipeline> [job]",
    summary: "Shows a job: the newest of the pipeline, or the one with this id.",
    examples: ["sheaf job inspect status-codes"],
  }).action(
    action<object, [string, string | undefined]>(session, async (call, _, pipeline, id = "") => {
      const { rpc } = await call.connect();
      const answer = await rpc.job.inspectJob({ pipeline, job: id }, { signal: call.signal });
      showOne(call, api.JobSchema, answer.job, FIELDS);
    }),
  );
  defineFollowing(job, session);
  leaf(job, {
    usage: "stop <pipeline> <job>",
    summary: "Stops a job. One that has ended stays as it ended.",
    examples: ["sheaf job stop status-codes 01k1g3v6m2w8z0000000000000"],
  }).action(
    action<object, [string, string]>(session, async (call, _, pipeline, id) => {
      const { rpc } = await call.connect();
      const answer = await rpc.job.stopJob({ pipeline, job: id }, { signal: call.signal });
      if (call.json) showOne(call, api.JobSchema, answer.job, {});
      say(call, `job ${id} has ${enumWord(api.JobStateSchema, answer.job?.state ?? 0)}`);
    }),
  );
}

interface FollowFlags {
  readonly timeout?: number;
}

function defineFollowing(job: Command, session: Session): void {
  leaf(job, {
    usage: "wait <pipeline> [job]",
    summary:
      "Waits until a job is over: the one of the newest input commit, or the one with this id. Exit code 0 when it has " +
      "succeeded, 1 when it has not.",
    examples: ["sheaf job wait status-codes", "sheaf job wait status-codes --timeout 10m && echo done"],
  })
    .option("--timeout <duration>", "wait no longer, like 30s or 10m", readDuration)
    .action(
      action<FollowFlags, [string, string | undefined]>(session, (call, flags, pipeline, id) =>
        follow(call, flags, { pipeline, id, says: "progress" }),
      ),
    );
  leaf(job, {
    usage: "watch <pipeline> [job]",
    summary: "Prints a job whenever it changes, until it is over. Exit code as of wait.",
    examples: ["sheaf job watch status-codes --json"],
  }).action(
    action<FollowFlags, [string, string | undefined]>(session, (call, flags, pipeline, id) =>
      follow(call, flags, { pipeline, id, says: "lines" }),
    ),
  );
}

interface Followed {
  readonly pipeline: string;
  readonly id: string | undefined;
  /** A live line that goes, or a line on standard output for each change. */
  readonly says: "progress" | "lines";
}

async function follow(call: Call, { timeout }: FollowFlags, followed: Followed): Promise<number> {
  const { host, json, signal } = call;
  const client = await call.connect();
  const progress = new Progress(json ? { ...host.stderr, write: () => {} } : host.stderr, host.clock);
  const told = teller(call, followed, progress);
  const begun = host.clock.now();
  // What is left of it, in whole tenths of a second, for it is told.
  const limit = () =>
    timeout === undefined
      ? {}
      : { timeoutMs: Math.max(1, Math.ceil((timeout - (host.clock.now() - begun)) / 100)) * 100 };
  try {
    const id =
      followed.id ??
      (await jobOfNewestCommit(client, followed.pipeline, {
        clock: host.clock,
        signal,
        say: (text) => progress.say(text),
        ...limit(),
      }));
    const job = await client.waitJob(followed.pipeline, { job: id, signal, onChange: told, ...limit() });
    progress.end();
    if (json && followed.says === "progress") host.stdout.write(jsonLine(api.JobSchema, job));
    return await tellEnd(call, client, job);
  } finally {
    progress.end();
  }
}

function teller({ host, json }: Call, { says }: Followed, progress: Progress): (job: api.Job) => void {
  if (says === "progress") {
    return (job) => {
      if (!isTerminal(job.state)) progress.say(jobLine(job)); // its end is told by itself
    };
  }
  const safe = escapeFor(host.stdout);
  return (job) => host.stdout.write(json ? jsonLine(api.JobSchema, job) : `${safe(jobLine(job))}\n`);
}

async function tellEnd(call: Call, client: SheafClient, job: api.Job): Promise<number> {
  if (job.state === api.JobState.SUCCEEDED) {
    const took = msBetween(job.created, job.finished);
    const inTime = took === undefined ? "" : ` in ${duration(took)}`;
    say(
      call,
      `job ${job.id} has succeeded: ${counted(job.dataTotal, "datum")}${inTime}; the result is ${job.outputBranch}`,
    );
    for (const note of successNotes(job)) say(call, note);
    // Right for a folder that is empty for now; more often the glob, or the folder, is not the one that was meant.
    if (job.dataTotal === 0n) say(call, "the glob matched nothing of the input, so the result is empty");
    return EXIT.done;
  }
  const { stderr } = call.host;
  const safe = escapeFor(stderr);
  for (const line of await describeFailedJob(client, job)) stderr.write(`${safe(line)}\n`);
  if (job.dataFailed > 0n) stderr.write(`all its logs: sheaf datum logs ${job.pipeline} --job ${job.id} --datum N\n`);
  return EXIT.failed;
}

function readDuration(text: string): number {
  const parsed = parseDuration(text);
  if ("value" in parsed && parsed.value > 0) return parsed.value;
  throw new InvalidArgumentError(`It ${"value" in parsed ? "must be more than 0" : parsed.wrong}.`);
}
