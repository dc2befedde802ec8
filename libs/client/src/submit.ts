/** Creating a pipeline, and a job, so that it is made once, also when an answer is lost on the way. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { api } from "@sheaf/proto";
import { internal, newId, retry } from "@sheaf/runtime";
import { isUnreachable, SEND_AGAIN } from "./retries.ts";
import type { Caller } from "./services.ts";

export async function submit(
  { rpc, clock, random }: Caller,
  spec: MessageInitShape<typeof api.PipelineSpecSchema>,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<api.Pipeline> {
  const requestId = newId(random, clock);
  const off = signal === undefined ? {} : { signal };
  const { pipeline } = await retry(() => rpc.pipeline.createPipeline({ spec, requestId }, off), {
    ...SEND_AGAIN,
    ...off,
    transient: isUnreachable,
    clock,
    random,
  });
  if (pipeline === undefined) throw internal("NO_PIPELINE", "the answer holds no pipeline");
  return pipeline;
}

export interface RunOptions {
  /** Of the caller's own: one that died and runs again gets the job that it made before. Default: a new one. */
  readonly requestId?: string;
  readonly signal?: AbortSignal;
}

export async function run(
  { rpc, clock, random }: Caller,
  pipeline: string,
  { requestId = newId(random, clock), signal }: RunOptions = {},
): Promise<api.Job> {
  const off = signal === undefined ? {} : { signal };
  const { job } = await retry(() => rpc.pipeline.runPipeline({ name: pipeline, requestId }, off), {
    ...SEND_AGAIN,
    ...off,
    transient: isUnreachable,
    clock,
    random,
  });
  if (job === undefined) throw internal("NO_JOB", "the answer holds no job");
  return job;
}
