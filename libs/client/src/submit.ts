/** Creating a pipeline so that it is created once, also when an answer is lost on the way. */
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
