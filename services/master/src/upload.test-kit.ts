// An upload as a client streams it.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { api } from "@sheaf/proto";

export async function* upload(
  repo: string,
  files: Readonly<Record<string, string>>,
  fields: MessageInitShape<typeof api.ModifyFilesOpenSchema> = {},
  deletes: readonly string[] = [],
): AsyncGenerator<api.ModifyFilesRequest, void, void> {
  yield create(api.ModifyFilesRequestSchema, { message: { case: "open", value: { repo, ...fields } } as never });
  for (const path of deletes)
    yield create(api.ModifyFilesRequestSchema, { message: { case: "delete", value: { path } } });
  const whole = Object.entries(files).map(([path, text]) => ({ path, content: new TextEncoder().encode(text) }));
  if (whole.length > 0)
    yield create(api.ModifyFilesRequestSchema, { message: { case: "batch", value: { files: whole } } });
  yield create(api.ModifyFilesRequestSchema, { message: { case: "finish", value: {} } });
}
