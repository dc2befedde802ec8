/** Why a job did not succeed, with what the commands of its failed datums wrote, for people. */
import type { SheafClient } from "@sheaf/client";
import { api } from "@sheaf/proto";
import { logText } from "../output/log-text.ts";
import { count, counted } from "../output/numbers.ts";
import { stateName } from "./job-text.ts";

const DATUMS_SHOWN = 3;
const LINES_SHOWN = 20;

/** Lines without their ends. Bytes of strangers are in them: escape them for a terminal. */
export async function describeFailedJob(client: SheafClient, job: api.Job): Promise<string[]> {
  const { pipeline, id, dataFailed } = job;
  const failed: api.Datum[] = [];
  if (dataFailed > 0n) {
    const states = [api.DatumState.FAILED];
    const page = { size: DATUMS_SHOWN };
    failed.push(...(await client.rpc.datum.listDatums({ pipeline, job: id, states, page })).datums);
  }
  const lines = [`job ${id} has ${stateName(job.state)}: ${whyOf(job)}`];
  if (failed.length === 0) return lines;
  for (const alike of Map.groupBy(failed, reasonOf).values()) lines.push(...(await describeAlike(client, alike)));
  const more = Number(dataFailed) - failed.length;
  if (more > 0) lines.push(`and ${counted(more, "more failed datum")}`);
  return lines;
}

/** Of one that its datums failed: their number, for each of them is told by itself. */
function whyOf({ reason, message, dataFailed, dataRecovered, dataTotal }: api.Job): string {
  if (reason !== "DATUM_FAILED") return message || reason;
  const saved =
    dataRecovered === 0n ? "" : `, ${count(dataRecovered)} ${dataRecovered === 1n ? "was" : "were"} recovered`;
  return `${count(dataFailed)} of ${counted(dataTotal, "datum")} failed${saved}; nothing was published`;
}

function reasonOf({ message, reason, tries }: api.Datum): string {
  return `${tries > 1 ? ` after ${tries} tries` : ""}: ${message || reason}`;
}

/** Datums that failed for the same reason: what the first of them wrote is enough. */
async function describeAlike(client: SheafClient, datums: readonly api.Datum[]): Promise<string[]> {
  const [first] = datums;
  if (first === undefined) return [];
  const names = datums.map(({ index, inputs }) => `${index} (${inputs.join(", ")})`).join(", ");
  const head = `${datums.length === 1 ? "datum" : "datums"} ${names} failed${reasonOf(first)}`;
  const log = await tailOf(client, first);
  const isSaid = log.length === 0 || (log.length === 1 && head.endsWith(log[0] ?? ""));
  return isSaid ? [head] : [head, "  the last lines that it wrote:", ...log.map((line) => `  | ${line}`)];
}

/** Its last try's standard error; its standard output when it wrote no error. */
async function tailOf(client: SheafClient, { pipeline, job, index }: api.Datum): Promise<string[]> {
  const lines: api.JobLogLine[] = [];
  const request = { pipeline, job, datum: String(index), tail: LINES_SHOWN * 5 };
  for await (const line of client.logs(request)) lines.push(line);
  const attempt = lines.at(-1)?.attempt;
  const last = lines.filter((line) => line.attempt === attempt);
  const errors = last.filter((line) => line.stream === api.LogStream.STDERR);
  return (errors.length > 0 ? errors : last).slice(-LINES_SHOWN).map(logText);
}
