/**
 * Which web pages may call. A browser says on whose behalf it calls (Origin), and asks first (a preflight) before it sends what a page could
 * not have sent without our leave. Pages of other origins get nothing: anybody's page can reach a port of this machine.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { cors } from "@connectrpc/connect";

/** How long a browser may remember that it may. */
const REMEMBER_SECONDS = 7_200;

/** `answered`: nothing is left to be done. `foreign`: no page of that origin may call. */
export function browserCall(
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
  allowed: readonly string[],
): "go on" | "answered" | "foreign" {
  const { origin } = request.headers;
  if (origin === undefined) return "go on";
  if (!allowed.includes(origin)) return isOwn(origin, request) ? "go on" : "foreign";
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("vary", "origin");
  if (request.method !== "OPTIONS") {
    response.setHeader("access-control-expose-headers", cors.exposedHeaders.join(", "));
    return "go on";
  }
  response.setHeader("access-control-allow-methods", cors.allowedMethods.join(", "));
  response.setHeader("access-control-allow-headers", [...cors.allowedHeaders, "Authorization"].join(", "));
  response.setHeader("access-control-max-age", String(REMEMBER_SECONDS));
  response.statusCode = 204;
  response.end();
  return "answered";
}

/** A page that this very port served. */
function isOwn(origin: string, { headers }: IncomingMessage | Http2ServerRequest): boolean {
  return URL.canParse(origin) && new URL(origin).host === (headers[":authority"] ?? headers.host);
}
