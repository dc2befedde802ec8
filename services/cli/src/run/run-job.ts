/**
 * One run, on a cluster that is there: a repo with the input, a pipeline, its job, the result.
 *
 * The pipeline is created before the files are put: what is wrong with it shows before bytes are sent, and its workers start
 * while they are.
 */
import { enumWords, type GotFolder, isTerminal, type PutFolderResult, type SheafClient } from "@sheaf/client";
import { api } from "@sheaf/proto";
import { internal } from "@sheaf/runtime";
import { bytes, counted } from "../output/numbers.ts";
import type { Progress } from "../output/progress.ts";
import { jobLine } from "./job-text.ts";
import type { Program, RunPlan } from "./options.ts";
import { wrapCommand } from "./wrap-command.ts";

/** A commit makes its job within milliseconds; a master that restarts takes longer. */
const FIRST_JOB_MS = 30_000;
/** Folder and variable of the input: an identifier, because a shell passes on no other. */
const INPUT_NAME = "in";
const BRANCH = "master";

export interface RunNames {
  readonly repo: string;
  readonly pipeline: string;
}

export interface RunTools {
  readonly client: SheafClient;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly onJob: (job: api.Job) => void;
}

export interface RunEnd {
  readonly put: PutFolderResult;
  /** In a terminal state. */
  readonly job: api.Job;
}

/** Throws what kept the job from ending; a job that failed is a result. */
export async function runJob(plan: RunPlan, names: RunNames, workingDir: string, tools: RunTools): Promise<RunEnd> {
  const { client, progress, signal } = tools;
  progress.say("creating the pipeline");
  await client.rpc.repo.createRepo({ name: names.repo }, { signal });
  await client.submit(specOf(plan, names, workingDir), { signal });
  progress.say(`reading ${plan.inputDir}`);
  const put = await client.putFolder(names.repo, BRANCH, plan.inputDir, {
    signal,
    onProgress: (done) =>
      progress.say(`reading ${plan.inputDir}: ${counted(done.files, "file")}, ${bytes(done.bytes)}`),
  });
  const { links, special } = put.skipped;
  if (links > 0) progress.note(`${counted(links, "link")} left out: links are not followed`);
  if (special > 0) progress.note(`${counted(special, "pipe, socket or device", "pipes, sockets or devices")} left out`);
  progress.say(`${counted(put.files, "file")}, ${bytes(put.bytes)}: waiting for the job`);
  const job = await client.waitJob(names.pipeline, {
    signal,
    firstJobMs: FIRST_JOB_MS,
    onChange: (now) => {
      if (!isTerminal(now.state)) progress.say(jobLine(now));
      tools.onJob(now);
    },
    onBroken: () => progress.say("the connection broke: watching again"),
  });
  return { put, job };
}

export async function fetchResult(
  job: api.Job,
  to: string,
  { client, progress, signal }: RunTools,
): Promise<GotFolder> {
  if (job.outputCommit === "") throw internal("NO_RESULT", `job ${job.id} has succeeded and names no commit`);
  return client.getFolder({ repo: job.pipeline, ref: job.outputCommit }, to, {
    signal,
    onProgress: (done) => progress.say(`fetching the result: ${counted(done.files, "file")}, ${bytes(done.bytes)}`),
  });
}

function transformOf(program: Program, workingDir: string) {
  if (program.t === "handler") return { handler: program.text };
  return { cmd: wrapCommand(program.argv), datumBatching: program.batch, workingDir };
}

function specOf(plan: RunPlan, { repo, pipeline }: RunNames, workingDir: string) {
  return {
    pipeline: { name: pipeline },
    input: { pfs: { name: INPUT_NAME, repo, branch: BRANCH, glob: plan.glob } },
    transform: transformOf(plan.program, workingDir),
    parallelismSpec: { constant: BigInt(plan.workers) },
    merge: { strategy: enumWords(api.MergeStrategySchema).get(plan.merge) ?? api.MergeStrategy.CONCAT },
  };
}
