/** Calls between services: protobuf-es services over grpc-js. */
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import {
  type ChannelCredentials,
  type ChannelOptions,
  connectivityState,
  credentials,
  Client as GrpcChannel,
} from "@grpc/grpc-js";
import { internal, systemClock } from "@sheaf/runtime";
import { type ClientTls, reloadingCredentials, type TlsOption, wrongServer } from "./client-tls.ts";
import { type Connection, type ConnectionOptions, OpenCalls, oneService, type ServiceClient } from "./connection.ts";
import { callBidi, callDownload, callUnary, callUpload, type GrpcCaller } from "./grpc-call.ts";
import { MESSAGE_BYTES_MAX, UNARY_TIMEOUT_MS } from "./limits.ts";
import type { CallOptions, Client, Fields } from "./types.ts";

const OPTIONS = {
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  // Not more often: see grpc-server.ts. Sessions have beats of their own.
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 10_000,
  // A service that comes back is found within a second. Default: up to two minutes.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
  // Its connections end with it.
  "grpc.use_local_subchannel_pool": 1,
  // A proxy in the environment is for the world outside, not for our own services.
  "grpc.enable_http_proxy": 0,
  // Whether a call may be made again is the caller's to say.
  "grpc.enable_retries": 0,
  "grpc.enable_channelz": 0,
} as const;

export interface GrpcServiceClient<S extends DescService> extends ServiceClient<S> {
  /**
   * Connects, and resolves when the peer has spoken HTTP/2; tried for ever, so it stays pending for a peer that is dead,
   * frozen or not there, and when the connection is closed before.
   */
  connected(): Promise<void>;
}

interface GrpcConnection extends Connection {
  connected(): Promise<void>;
}

/** `address`: "host:port", or "[v6]:port". */
export function grpcConnection(address: string, options: ConnectionOptions & TlsOption = {}): GrpcConnection {
  const channel = new GrpcChannel(address, ...secured(address, options.tls));
  const { clock = systemClock, timeoutMs = UNARY_TIMEOUT_MS } = options;
  const open = new OpenCalls();
  let isClosed = false;
  const caller: GrpcCaller = { channel, address, clock, timeoutMs, open };
  return {
    address,
    client: (service) => clientOf(service, caller),
    connected: () => new Promise((resolve) => whenReady(channel, () => isClosed, resolve)),
    close: () => {
      isClosed = true;
      open.cancelAll();
      channel.close();
    },
  };
}

function secured(address: string, tls: ClientTls | undefined): [ChannelCredentials, ChannelOptions] {
  if (tls === undefined) return [credentials.createInsecure(), OPTIONS];
  if (tls.kind === "user") throw internal("TLS_OF_A_USER", "users call the public port, by publicConnection");
  // TLS allows no IP address as a server's name, and nobody looks at the name.
  return [
    reloadingCredentials(tls.own, (certificate) => wrongServer(tls, address, certificate)),
    { ...OPTIONS, "grpc.ssl_target_name_override": "sheaf" },
  ];
}

/** Not by the channel's `waitForReady`: that has a channel which is closed meanwhile connect again and again, for ever. */
function whenReady(channel: GrpcChannel, isClosed: () => boolean, onReady: () => void): void {
  if (isClosed()) return;
  const state = channel.getChannel().getConnectivityState(true);
  if (state === connectivityState.READY) return onReady();
  channel
    .getChannel()
    .watchConnectivityState(state, Number.POSITIVE_INFINITY, () => whenReady(channel, isClosed, onReady));
}

/** A connection for one service: `const { rpc, close } = grpcClient(address, DispatchService)`. */
export function grpcClient<S extends DescService>(
  address: string,
  service: S,
  options: ConnectionOptions & TlsOption = {},
): GrpcServiceClient<S> {
  const connection = grpcConnection(address, options);
  return { ...oneService(connection, service), connected: () => connection.connected() };
}

function clientOf<S extends DescService>(service: S, caller: GrpcCaller): Client<S> {
  return Object.fromEntries(service.methods.map((desc) => [desc.localName, methodOf(desc, caller)])) as Client<S>;
}

function methodOf(desc: DescMethod, caller: GrpcCaller): unknown {
  switch (desc.methodKind) {
    case "unary":
      return (request: Fields, options: CallOptions = {}) => callUnary(desc, request, options, caller);
    case "server_streaming":
      return (request: Fields, options: CallOptions = {}) => callDownload(desc, request, options, caller);
    case "client_streaming":
      return (requests: AsyncIterable<Fields>, options: CallOptions = {}) =>
        callUpload(desc, requests, options, caller);
    case "bidi_streaming":
      return (options: CallOptions = {}) => callBidi(desc, options, caller);
  }
}
