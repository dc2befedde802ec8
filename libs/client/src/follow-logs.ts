/** Following the logs of a job to its end, through connections that break and masters that restart. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { api } from "@sheaf/proto";
import { backoff, SheafError } from "@sheaf/runtime";
import { Outage } from "./outage.ts";
import type { Caller } from "./services.ts";

export interface FollowLogsOptions {
  /** How long, in milliseconds, nobody may answer before UNAVAILABLE is thrown. Default 60,000. */
  readonly unreachableMs?: number;
  /** The connection broke; it goes on by itself. For a line to the user: called once, however long that takes. */
  readonly onBroken?: (error: SheafError) => void;
  readonly signal?: AbortSignal;
}

/** `request.job` must be set: what is the newest job may be another one when it goes on. */
export async function* followLogs(
  { rpc, clock, random }: Caller,
  request: MessageInitShape<typeof api.GetLogsRequestSchema>,
  { signal, unreachableMs, onBroken }: FollowLogsOptions = {},
): AsyncGenerator<api.JobLogLine, void, void> {
  const waits = backoff({ baseMs: 20, capMs: 1_000, random });
  const asked = create(api.GetLogsRequestSchema, request);
  let resume = "";
  let isBroken = false;
  const outage = new Outage(clock, unreachableMs);
  for (;;) {
    try {
      const options = signal === undefined ? {} : { signal };
      for await (const answer of rpc.datum.getLogs({ ...asked, follow: true, resume }, options)) {
        waits.reset();
        isBroken = false;
        outage.over();
        yield* answer.lines;
        resume = answer.resume;
      }
      return;
    } catch (error) {
      // Who prints lines may wait for long, on a pager, and read nothing meanwhile: that is no silence of the cluster.
      if (isTooSlow(error)) outage.over();
      else if (!outage.isBearable(error)) throw error;
      else if (!isBroken && error instanceof SheafError) onBroken?.(error);
      isBroken = true;
    }
    await clock.sleep(waits.next(), signal);
  }
}

/** It was cut because it did not read. TOO_MANY_FOLLOWERS has the same code, and is no reason to go on. */
function isTooSlow(error: unknown): boolean {
  return error instanceof SheafError && error.code === "RESOURCE_EXHAUSTED" && error.reason !== "TOO_MANY_FOLLOWERS";
}
