/** Following a job to its end, through connections that break and masters that restart. */
import { api } from "@sheaf/proto";
import { backoff, deadlineExceeded, SheafError } from "@sheaf/runtime";
import { Outage } from "./outage.ts";
import { isNotRead } from "./retries.ts";
import type { Caller } from "./services.ts";

const TERMINAL: ReadonlySet<api.JobState> = new Set([
  api.JobState.SUCCEEDED,
  api.JobState.FAILED,
  api.JobState.STOPPED,
  api.JobState.INCONSISTENT,
]);

/** Whether a job in this state never changes any more. */
export function isTerminal(state: api.JobState): boolean {
  return TERMINAL.has(state);
}

export interface WatchJobOptions {
  /** Id of the job. Default: the newest of the pipeline when the watch begins. */
  readonly job?: string;
  /** How long to wait, in milliseconds, for a pipeline's first job. Default 0: NOT_FOUND at once. */
  readonly firstJobMs?: number;
  /** How long, in milliseconds, nobody may answer before UNAVAILABLE is thrown. Default 60,000. */
  readonly unreachableMs?: number;
  /** The connection broke; the watch goes on by itself. For a line to the user. */
  readonly onBroken?: (error: SheafError) => void;
  readonly signal?: AbortSignal;
}

export interface WaitJobOptions extends WatchJobOptions {
  /** Milliseconds until DEADLINE_EXCEEDED. Default: none. The job goes on. */
  readonly timeoutMs?: number;
  /** Called with each state that the watch brings. */
  readonly onChange?: (job: api.Job) => void;
}

export async function* watchJob(
  caller: Caller,
  pipeline: string,
  options: WatchJobOptions = {},
): AsyncGenerator<api.Job, void, void> {
  const { clock, random } = caller;
  const { signal, firstJobMs = 0 } = options;
  const waits = backoff({ baseMs: 20, capMs: 1_000, random });
  let job = options.job ?? "";
  let resume = "";
  const begun = clock.now();
  const outage = new Outage(clock, options.unreachableMs);
  for (;;) {
    try {
      for await (const message of caller.rpc.job.watchJob({ pipeline, job, resume }, off(signal))) {
        outage.over();
        waits.reset();
        resume = message.resume;
        if (message.job === undefined) continue;
        job = message.job.id; // from now on this one, whatever comes after it
        yield message.job;
        if (isTerminal(message.job.state)) return;
      }
    } catch (error) {
      const isFirst = job === "" && isNoJobYet(error) && clock.now() - begun < firstJobMs;
      const isBroken = outage.isBearable(error);
      if (!(isFirst || isBroken || isNotRead(error))) throw error;
      if (isBroken && error instanceof SheafError) options.onBroken?.(error);
    }
    // A stream that ends before the job does is a master that went away politely.
    await clock.sleep(waits.next(), signal);
  }
}

export async function waitJob(caller: Caller, pipeline: string, options: WaitJobOptions = {}): Promise<api.Job> {
  const { timeoutMs, onChange } = options;
  const over = new AbortController();
  const signals = options.signal === undefined ? [over.signal] : [over.signal, options.signal];
  const late = tooLate(pipeline, timeoutMs ?? 0);
  // Cancelled by hand: not every browser knows `using`.
  const timer = timeoutMs === undefined ? undefined : caller.clock.timer(timeoutMs, () => over.abort(late));
  try {
    let last: api.Job | undefined;
    for await (const job of watchJob(caller, pipeline, {
      ...options,
      signal: AbortSignal.any(signals),
    })) {
      last = job;
      onChange?.(job);
    }
    return last as api.Job; // a watch that ends has brought the job's end
  } catch (error) {
    throw over.signal.aborted && !options.signal?.aborted ? late : error;
  } finally {
    timer?.cancel();
  }
}

function off(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

function isNoJobYet(error: unknown): boolean {
  return error instanceof SheafError && error.reason === "JOB_NOT_FOUND";
}

function tooLate(pipeline: string, timeoutMs: number): SheafError {
  return deadlineExceeded(
    "JOB_NOT_OVER",
    `the job of pipeline "${pipeline}" was not over after ${timeoutMs / 1_000} s; it goes on`,
  );
}
