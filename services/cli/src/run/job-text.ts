/** A job in words. Pure. */
import { api } from "@sheaf/proto";
import { enumWord } from "../output/enum-name.ts";
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
  const workers = job.workers === 0 ? "" : `, ${counted(job.workers, "worker")}`;
  const read = !job.stats?.downloadBytes ? "" : `, ${bytes(job.stats.downloadBytes)}`;
  return `processing: ${count(done)}/${counted(job.dataTotal, "datum")}${read}${failed}${workers}`;
}

/** "succeeded". */
export function stateName(state: api.JobState): string {
  return enumWord(api.JobStateSchema, state);
}
