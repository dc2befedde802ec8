// Unary calls over gRPC by their names, with requests and answers in JSON: so one row says what both protocols are asked.

import { fromJson, type JsonObject, type JsonValue, type Message, toJson } from "@bufbuild/protobuf";
import { api } from "@sheaf/proto";
import type { Connection } from "@sheaf/rpc";

/** `rpc`: "JobService/InspectJob". */
export async function callGrpc(connection: Connection, rpc: string, request: JsonObject): Promise<JsonValue> {
  const [name = "", method = ""] = rpc.split("/");
  const service = Object.values(api).find((each) => "kind" in each && each.kind === "service" && each.name === name);
  if (service === undefined || !("kind" in service) || service.kind !== "service") throw new Error(`no ${name}`);
  const desc = service.methods.find((each) => each.name === method);
  if (desc === undefined) throw new Error(`no ${rpc}`);
  const client = connection.client(service) as Readonly<Record<string, (message: object) => Promise<Message>>>;
  const answer = await client[desc.localName]?.(fromJson(desc.input, request));
  if (answer === undefined) throw new Error(`${rpc} is no unary call`);
  return toJson(desc.output, answer);
}
