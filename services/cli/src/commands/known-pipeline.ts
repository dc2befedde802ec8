/** A list of what a pipeline has is empty for a name that is mistyped as well: that is an error, as everywhere else. */
import type { Call } from "../action.ts";

export async function checkPipeline(call: Call, name: string | undefined): Promise<void> {
  if (name === undefined || name === "") return;
  const { rpc } = await call.connect();
  await rpc.pipeline.inspectPipeline({ name }, { signal: call.signal });
}
