/**
 * Calls of the public API as a browser can make them: gRPC-Web, with fetch. The answers of a stream come as they are made; nothing but one
 * message goes the other way. A message is held whole: the servers send at most 4 MiB.
 */
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { systemClock } from "@sheaf/runtime";
import type { Connection } from "./connection.ts";
import { type CallerOptions, connectionOver } from "./connection-over.ts";
import { withSignsOfLife } from "./signs-of-life.ts";

/** `url`: "https://host:port", with the path below which the API is found, if any. */
export function publicConnection(url: string, options: CallerOptions = {}): Connection {
  const transport = withSignsOfLife(createGrpcWebTransport({ baseUrl: url }), options.clock ?? systemClock);
  const secure = new URL(url).protocol === "https:";
  // A browser closes its connections by itself.
  return connectionOver({ transport, carrier: "fetch", address: url, secure, close: () => {} }, options);
}
