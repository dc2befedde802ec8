/** A job in words. Pure. */

import { enumWord } from "@sheaf/client";
import { api } from "@sheaf/proto";
import { bytes, count, counted } from "../output/numbers.ts";

/** What it does now, in one line. */
export function jobLine(job: api.Job): string {
  const waits = job.waitingFor === "" ? "" : `, waiting for ${job.waitingFor}`;
  return `${phase(job)}${waits}`;
}

function phase(job: api.Job): string {
  switch (job.state) {
    case api.JobState.CREATED:
      return "the job is created";
    case api.JobState.PLANNING:
      return "planning: laying out the datums";
    case api.JobState.PROCESSING:
      return processing(job);
    case api.JobState.MERGING: {
      const shards = job.shardsTotal === 0 ? "" : `: ${job.shardsDone}/${counted(job.shardsTotal, "shard")}`;
      return `${counted(job.dataTotal, "datum")} processed, merging${shards}`;
    }
    case api.JobState.PUBLISHING:
      return "publishing";
    default:
      return `the job has ${stateName(job.state)}`;
  }
}

function processing(job: api.Job): string {
  const done = job.dataProcessed + job.dataSkipped + job.dataFailed + job.dataRecovered;
  const failed = job.dataFailed === 0n ? "" : `, ${count(job.dataFailed)} failed`;
  const saved = job.dataRecovered === 0n ? "" : `, ${count(job.dataRecovered)} recovered`;
  const workers = job.workers === 0 ? "" : `, ${counted(job.workers, "worker")}`;
  const read = !job.stats?.downloadBytes ? "" : `, ${bytes(job.stats.downloadBytes)}`;
  return `processing: ${count(done)}/${counted(job.dataTotal, "datum")}${read}${failed}${saved}${workers}${says(job)}`;
}

/** "; datum 7: 40 %": the one that has run for longest, because more would not fit. */
function says({ progress: [first] }: api.Job): string {
  return first === undefined ? "" : `; datum ${first.datum}: ${first.progress}`;
}

/** "1 + 0 / 1": processed + skipped / total; with datums that err_cmd saved "0 + 1 + 1 / 2". */
export function jobProgress({ dataProcessed, dataSkipped, dataRecovered, dataTotal }: api.Job): string {
  const parts = [dataProcessed, dataSkipped, ...(dataRecovered === 0n ? [] : [dataRecovered])];
  return `${parts.map(count).join(" + ")} / ${count(dataTotal)}`;
}

/** What whoever reads the result of a job that has succeeded must know. */
export function successNotes({ dataRecovered, dataFailed, message }: api.Job): string[] {
  const saved = `${counted(dataRecovered, "datum")} failed, and err_cmd recovered ${dataRecovered === 1n ? "it" : "them"}`;
  return [...(dataRecovered === 0n ? [] : [`${saved}: without output`]), ...(dataFailed === 0n ? [] : [message])];
}

/** "succeeded". */
export function stateName(state: api.JobState): string {
  return enumWord(api.JobStateSchema, state);
}
