// Calls as `curl` makes them: JSON over HTTP/1.1, without a client of ours.

import type { JsonObject } from "@bufbuild/protobuf";

export interface JsonAnswer {
  readonly status: number;
  readonly body: JsonObject;
}

/** `rpc`: "JobService/InspectJob". `request`: sent as it is when it is a text. */
export async function postJson(address: string, rpc: string, request: JsonObject | string): Promise<JsonAnswer> {
  const response = await fetch(`http://${address}/sheaf.api.v1.${rpc}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof request === "string" ? request : JSON.stringify(request),
  });
  return { status: response.status, body: (await response.json()) as JsonObject };
}

export interface JsonError {
  /** As the contract names it: INVALID_ARGUMENT. */
  readonly code: string;
  readonly reason: string | undefined;
  readonly fields: readonly string[];
  readonly message: string;
}

export function errorOf({ body }: JsonAnswer): JsonError {
  const {
    code = "",
    message = "",
    details = [],
  } = body as {
    code?: string;
    message?: string;
    details?: { type: string; debug?: { reason?: string; fieldViolations?: { field?: string }[] } }[];
  };
  const of = (type: string) => details.find((detail) => detail.type === type)?.debug;
  return {
    code: code.toUpperCase(),
    message,
    reason: of("google.rpc.ErrorInfo")?.reason,
    fields: (of("google.rpc.BadRequest")?.fieldViolations ?? []).map(({ field = "" }) => field),
  };
}
