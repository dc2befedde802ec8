/** Calls of the public API: connect-node over gRPC (HTTP/2). */
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { type Secret, systemClock, unimplemented } from "@sheaf/runtime";
import { http2Options } from "./client-tls.ts";
import { type Connection, type ConnectionOptions, OpenCalls, oneService, type ServiceClient } from "./connection.ts";
import { GuardedSessions } from "./guarded-sessions.ts";
import type { Fields } from "./mount.ts";
import { callDownload, callUnary, callUpload, type PublicCaller } from "./public-call.ts";
import { MESSAGE_BYTES_MAX, UNARY_TIMEOUT_MS } from "./rules.ts";
import type { CallOptions, Client } from "./types.ts";

/** How long calls that are safe to make again are made again. */
const RETRY_MS = 5_000;

export interface PublicConnectionOptions extends ConnectionOptions {
  /**
   * For how long, in milliseconds, a call that is marked NO_SIDE_EFFECTS is made again while the server cannot be
   * reached; inside its deadline. Others never are. Default 5,000; 0: not at all.
   */
  readonly retryMs?: number;
  /** Says who calls. In plain text only to this machine. */
  readonly token?: Secret<string>;
}

/** `address`: "host:port", or "[v6]:port". */
export function publicConnection(address: string, options: PublicConnectionOptions = {}): Connection {
  const { clock = systemClock, timeoutMs = UNARY_TIMEOUT_MS, retryMs = RETRY_MS } = options;
  const { tls, token } = options;
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
  const open = new OpenCalls();
  const headers = token === undefined ? {} : { authorization: `Bearer ${token.reveal()}` };
  const caller: PublicCaller = {
    transport,
    address,
    clock,
    timeoutMs,
    retryMs,
    open,
    headers,
    secure: tls !== undefined,
    answered: false,
  };
  return {
    address,
    client: (service) => clientOf(service, caller),
    close: () => {
      open.cancelAll();
      sessions.abort();
    },
  };
}

/** A connection for one service. */
export function publicClient<S extends DescService>(
  address: string,
  service: S,
  options: PublicConnectionOptions = {},
): ServiceClient<S> {
  return oneService(publicConnection(address, options), service);
}

function clientOf<S extends DescService>(service: S, caller: PublicCaller): Client<S> {
  return Object.fromEntries(service.methods.map((desc) => [desc.localName, methodOf(desc, caller)])) as Client<S>;
}

function methodOf(desc: DescMethod, caller: PublicCaller): unknown {
  switch (desc.methodKind) {
    case "unary":
      return (request: Fields, options: CallOptions = {}) => callUnary(desc, request, options, caller);
    case "server_streaming":
      return (request: Fields, options: CallOptions = {}) => callDownload(desc, request, options, caller);
    case "client_streaming":
      return (requests: AsyncIterable<Fields>, options: CallOptions = {}) =>
        callUpload(desc, requests, options, caller);
    case "bidi_streaming":
      return () => {
        throw unimplemented("NO_BIDI", `${desc.name}: bidirectional streams are made by grpcClient`);
      };
  }
}
