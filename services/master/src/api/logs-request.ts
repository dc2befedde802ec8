// Reads what is asked for of a job's logs. What needs the job (which datum) is left to the caller.

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { api } from "@sheaf/proto";
import type { LogFilter } from "../datums/log-filter.ts";
import { Told } from "../datums/told.ts";
import { LOG_TAIL_MAX } from "./limits.ts";
import { checkWorker } from "./names.ts";
import { Violations } from "./violations.ts";

export interface LogsAsked {
  readonly filter: Omit<LogFilter, "range">;
  /** 0: all. */
  readonly tail: number;
  /** Where an earlier call broke off. */
  readonly told: Told | undefined;
}

/** Or INVALID_ARGUMENT with all that is wrong. */
export function readLogsRequest(request: api.GetLogsRequest): LogsAsked {
  const { worker, since, stream, attempt, tail, follow, resume, job } = request;
  const violations = new Violations();
  violations.require(tail <= LOG_TAIL_MAX, "tail", `is ${tail}: use at most ${LOG_TAIL_MAX}`);
  if (worker !== "") checkWorker(violations, "worker", worker);
  violations.require(
    api.LogStreamSchema.value[stream] !== undefined,
    "stream",
    `is ${stream}: there is no such stream`,
  );
  const sinceMs = since === undefined ? 0 : timestampMs(since);
  violations.require(Number.isSafeInteger(Math.trunc(sinceMs)) && sinceMs >= 0, "since", "is no time from 1970 on");
  const told = resume === "" ? undefined : Told.of(resume);
  violations.require(resume === "" || follow, "resume", "needs follow: without it, begin anew");
  violations.require(resume === "" || told !== undefined, "resume", "is not what an answer gave: begin without it");
  violations.require(
    told === undefined || job === "" || job === told.job,
    "resume",
    `is of job ${told?.job}: of another job begin without it`,
  );
  violations.throwIfAny("LOGS_INVALID", "the request is not valid");
  return { filter: { worker, sinceMs, stream, attempt }, tail, told };
}
