/** `sheaf datum logs`. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { SheafClient } from "@sheaf/client";
import { enumWord } from "@sheaf/client";
import { api } from "@sheaf/proto";
import { type Clock, parseDuration } from "@sheaf/runtime";
import { type Command, InvalidArgumentError, Option } from "commander";
import { action, type Call, leaf, wholeNumber } from "../action.ts";
import { escapeFor } from "../output/escape.ts";
import { jsonLine } from "../output/json.ts";
import { logLine } from "../output/log-text.ts";
import type { Session } from "../session.ts";

const TAIL_MAX = 10_000;
const TRIES_MAX = 101;
const STREAMS = { stdout: api.LogStream.STDOUT, stderr: api.LogStream.STDERR } as const;

interface LogFlags {
  readonly job?: string;
  readonly datum?: string;
  readonly worker?: string;
  readonly since?: Since;
  readonly tail?: number;
  readonly stream?: keyof typeof STREAMS;
  readonly attempt?: number;
  readonly follow?: true;
  readonly raw?: true;
}

/** A time, or one so long ago. */
type Since = { readonly ms: number } | { readonly agoMs: number };

export function defineLogs(datum: Command, session: Session): void {
  leaf(datum, {
    usage: "logs <pipeline>",
    summary:
      "Prints what the commands of a job wrote, by datum, as far as results are committed. Each line: time, worker, datum.try " +
      "(of err_cmd: one more than the last), stream, text. Control characters are shown, like \\x1b. With --follow also what running datums write, as they write it.",
    examples: [
      "sheaf datum logs status-codes --follow",
      "sheaf datum logs status-codes --datum /2026/access.log --stream stderr",
      "sheaf datum logs status-codes --since 10m --tail 100",
    ],
  })
    .option("--job <id>", "the job (default: the newest)")
    .option("--datum <name>", "only this datum: index, id, or a path that it reads")
    .option("--worker <id>", "only what this worker ran: its id, or the first 8 characters of it")
    .option("--since <when>", "only lines since then: 10m ago, or a time like 2026-07-30T12:00:00Z", readSince)
    .addOption(new Option("--stream <name>", "only this stream").choices(Object.keys(STREAMS)))
    .option("--attempt <n>", "only this try", wholeNumber(1, TRIES_MAX))
    .option("--tail <n>", "only the last lines of what is committed", wholeNumber(1, TAIL_MAX))
    .option("-f, --follow", "go on until the job is over")
    .option("--raw", "the bytes that were written, and nothing else")
    .action(action<LogFlags, [string]>(session, logs));
}

async function logs(call: Call, flags: LogFlags, pipeline: string): Promise<void> {
  const { stdout, stderr, clock } = call.host;
  const client = await call.connect();
  const request = requestOf(flags, pipeline, clock);
  const job = flags.follow ? await nameOf(client, call, request) : undefined;
  const lines =
    job === undefined
      ? client.logs(request)
      : client.followLogs(
          { ...request, job },
          {
            signal: call.signal,
            onBroken: ({ message }) => stderr.write(`${escapeFor(stderr)(message)}; going on when it is back\n`),
          },
        );
  for await (const line of lines) {
    call.signal.throwIfAborted();
    if (call.json) stdout.write(jsonLine(api.JobLogLineSchema, line));
    else if (flags.raw) stdout.write(Buffer.concat([line.text, Buffer.from("\n")]));
    else stdout.write(`${logLine(line)}\n`);
    await stdout.flush();
  }
  if (job === undefined) return;
  const { job: over } = await client.rpc.job.inspectJob({ pipeline, job }, { signal: call.signal });
  stderr.write(`job ${job} has ${enumWord(api.JobStateSchema, over?.state ?? 0)}\n`);
}

function requestOf(flags: LogFlags, pipeline: string, clock: Clock) {
  const { job = "", datum = "", worker = "", since, tail = 0, stream, attempt = 0 } = flags;
  const sinceMs = since === undefined ? undefined : "ms" in since ? since.ms : Math.max(0, clock.wall() - since.agoMs);
  return {
    ...{ pipeline, job, datum, worker, tail, attempt },
    stream: stream === undefined ? api.LogStream.UNSPECIFIED : STREAMS[stream],
    ...(sinceMs === undefined ? {} : { since: timestampFromMs(Math.floor(sinceMs)) }),
  };
}

/** The job that is meant now: when the connection breaks, another one may be the newest. */
async function nameOf(
  client: SheafClient,
  { signal }: Call,
  { pipeline, job }: { readonly pipeline: string; readonly job: string },
): Promise<string> {
  const answer = await client.rpc.job.inspectJob({ pipeline, job }, { signal });
  return answer.job?.id ?? job;
}

function readSince(text: string): Since {
  const duration = parseDuration(text);
  if ("value" in duration) return { agoMs: duration.value };
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (ms >= 0) return { ms };
  throw new InvalidArgumentError("It must be a duration like 10m, or a time like 2026-07-30T12:00:00Z.");
}
