/** Calls of the public API: connect-node over gRPC (HTTP/2). */
import type { DescService } from "@bufbuild/protobuf";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { http2Options, type TlsOption } from "./client-tls.ts";
import { type Connection, oneService, type ServiceClient } from "./connection.ts";
import { type CallerOptions, connectionOver } from "./connection-over.ts";
import { GuardedSessions } from "./guarded-sessions.ts";
import { MESSAGE_BYTES_MAX } from "./limits.ts";

export interface PublicConnectionOptions extends CallerOptions, TlsOption {}

/** `address`: "host:port", or "[v6]:port". */
export function publicConnection(address: string, options: PublicConnectionOptions = {}): Connection {
  const { tls } = options;
  const baseUrl = `${tls === undefined ? "http" : "https"}://${address}`;
  const hostname = new URL(baseUrl).hostname.replace(/^\[(.*)\]$/, "$1");
  const sessions = new GuardedSessions(baseUrl, tls === undefined ? {} : http2Options(tls, hostname));
  const transport = createGrpcTransport({
    baseUrl,
    sessionManager: sessions,
    readMaxBytes: MESSAGE_BYTES_MAX,
    writeMaxBytes: MESSAGE_BYTES_MAX,
    acceptCompression: [],
  });
  const line = {
    transport,
    carrier: "http2",
    address,
    secure: tls !== undefined,
    close: () => sessions.abort(),
  } as const;
  return connectionOver(line, options);
}

/** A connection for one service. */
export function publicClient<S extends DescService>(
  address: string,
  service: S,
  options: PublicConnectionOptions = {},
): ServiceClient<S> {
  return oneService(publicConnection(address, options), service);
}
