// A job as it changes. A change of state is told at once, progress five times a second: at most ten messages a second, as a job has few
// states. The last one is never missed, because each message is the job as it is when it is sent; so nothing is queued for a caller, however
// slowly it reads.

import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { api, type state } from "@sheaf/proto";
import type { CallContext } from "@sheaf/rpc";
import type { Clock } from "@sheaf/runtime";
import { Change } from "../change.ts";
import { isTerminal } from "../jobs/states.ts";
import type { Topic } from "../topic.ts";
import { ALIVE_MS, draining, readResume, resumeToken } from "./resume.ts";

const PROGRESS_INTERVAL_MS = 200;
/** And slower, when many watch: all of them together get 250 messages of progress a second. */
const PROGRESS_INTERVAL_MS_EACH = 4;
const STREAM = "job";

/** What a token of a watch says: the job, and a fingerprint of what was told of it. */
export interface JobTold {
  readonly job: string;
  readonly said: string;
}

export function readJobTold(token: string): JobTold | undefined {
  if (token === "") return undefined;
  const [job = "", said = ""] = readResume(token, STREAM, 2);
  return { job, said };
}

export interface JobWatch {
  readonly clock: Clock;
  readonly id: string;
  /** Key of the job's record. */
  readonly key: string;
  readonly said: string;
  /** How many watch jobs at this master. */
  readonly watchers: () => number;
  /** By key: the record has changed. */
  readonly records: Topic;
  /** By key: live progress has changed. */
  readonly live: Topic;
  /** As it is now; throws when it was deleted. */
  readonly record: () => state.JobRecord;
  readonly view: (record: state.JobRecord) => api.Job;
}

export async function* watchJob(
  watch: JobWatch,
  context: CallContext,
): AsyncGenerator<{ job?: api.Job; resume: string }> {
  const { clock, id, key } = watch;
  const change = new Change();
  // While it is too soon for more progress, progress wakes nobody: many may watch a job that changes all the time.
  let isTooSoon = false;
  const ends = [
    watch.records.listen(key, change.happened),
    watch.live.listen(key, () => {
      if (!isTooSoon) change.happened();
    }),
  ];
  const over = AbortSignal.any([context.signal, context.draining]);
  over.addEventListener("abort", change.happened, { once: true });
  try {
    let said = watch.said;
    let saidState: api.JobState | undefined;
    for (let saidMs = -ALIVE_MS; ; ) {
      const record = watch.record();
      const intervalMs = Math.max(PROGRESS_INTERVAL_MS, PROGRESS_INTERVAL_MS_EACH * watch.watchers());
      const waitMs = saidState === record.state ? saidMs + intervalMs - clock.now() : 0;
      if (waitMs <= 0) {
        const job = watch.view(record);
        const now = fingerprint(job);
        const isNew = now !== said;
        const isSilent = saidState !== undefined && clock.now() - saidMs >= ALIVE_MS;
        if (isNew || isSilent) {
          said = now;
          saidMs = clock.now();
          yield isNew ? { job, resume: resumeToken(STREAM, id, said) } : { resume: resumeToken(STREAM, id, said) };
        } else if (saidState === undefined) saidMs = clock.now(); // it goes on where an earlier call was
        saidState = job.state;
        if (isTerminal(job.state)) return;
      }
      if (context.signal.aborted) return;
      if (context.draining.aborted) throw draining();
      isTooSoon = waitMs > 0;
      await change.next({ clock, ms: isTooSoon ? waitMs : Math.max(1, saidMs + ALIVE_MS - clock.now()) });
      isTooSoon = false;
    }
  } finally {
    for (const end of ends) end();
  }
}

function fingerprint(job: api.Job): string {
  return createHash("sha256").update(toBinary(api.JobSchema, job)).digest("base64url").slice(0, 16);
}
