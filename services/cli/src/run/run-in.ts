/** One run in its place: the job, its result or its failure, and what the user is told of it. */
import type { GotFolder } from "@sheaf/client";
import { api } from "@sheaf/proto";
import type { Call } from "../action.ts";
import { EXIT } from "../exit-codes.ts";
import { escapeFor } from "../output/escape.ts";
import { jsonLine } from "../output/json.ts";
import { bytes, counted, duration } from "../output/numbers.ts";
import type { Progress } from "../output/progress.ts";
import { describeFailedJob } from "./failed-job.ts";
import { successNotes } from "./job-text.ts";
import type { RunPlan } from "./options.ts";
import type { Ending, Place } from "./place.ts";
import type { ResultFolder } from "./result-folder.ts";
import { fetchResult, type RunEnd, runJob } from "./run-job.ts";

export interface Run {
  readonly call: Call;
  readonly plan: RunPlan;
  readonly result: ResultFolder;
  readonly progress: Progress;
  readonly startedMs: number;
}

/** The exit code. The place is left in whichever state fits the end. */
export async function runIn(place: Place, run: Run): Promise<number> {
  const { call, progress } = run;
  const { stdout, stderr } = call.host;
  let ending: Ending = "broken off";
  try {
    const onJob = (job: api.Job) => {
      if (call.json) stdout.write(jsonLine(api.JobSchema, job));
    };
    const tools = { client: place.client, progress, signal: call.signal, onJob };
    const end = await runJob(run.plan, place.names, place.workingDir, tools);
    if (end.job.state !== api.JobState.SUCCEEDED) {
      const lines = await describeFailedJob(place.client, end.job);
      progress.end();
      const safe = escapeFor(stderr);
      for (const line of lines) stderr.write(`${safe(line)}\n`);
      ending = "failed";
      return EXIT.failed;
    }
    const got = await fetchResult(end.job, run.result.stage, tools);
    run.result.accept();
    progress.end();
    if (!call.json) tellSuccess(run, end, got);
    ending = "succeeded";
    return EXIT.done;
  } finally {
    progress.end();
    for (const line of await place.leave(ending)) stderr.write(`${line}\n`);
  }
}

function tellSuccess({ call, plan, startedMs }: Run, { put, job }: RunEnd, got: GotFolder): void {
  const { stdout, clock } = call.host;
  const took = duration(clock.now() - startedMs);
  const read = `${bytes(put.bytes)} in ${counted(put.files, "file")}`;
  stdout.write(`${counted(job.dataTotal, "datum")}, ${read}, ${took}\n`);
  const where = escapeFor(stdout)(plan.outputDir);
  stdout.write(`result: ${where} (${counted(got.files, "file")}, ${bytes(got.bytes)})\n`);
  for (const note of successNotes(job)) stdout.write(`${escapeFor(stdout)(note)}\n`);
  if (job.dataTotal === 0n) stdout.write(`the glob "${plan.glob}" matched nothing\n`);
}
