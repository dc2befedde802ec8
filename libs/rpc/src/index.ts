/** @sheaf/rpc: calls between services (grpc-js) and the public API (connect-node). Handlers fit both. */
export type { Connection, ConnectionOptions, ServiceClient } from "./connection.ts";
export { grpcClient, grpcConnection } from "./grpc-client.ts";
export { serveGrpc } from "./grpc-server.ts";
export { HealthBoard } from "./health.ts";
export type { HttpAnswer, HttpRequest, HttpRoute } from "./http-route.ts";
export { implement, type MountedService } from "./mount.ts";
export { type PublicConnectionOptions, publicClient, publicConnection } from "./public-client.ts";
export { servePublic } from "./public-server.ts";
export type { PublicServerOptions, RpcServer, RpcServerOptions } from "./rpc-server.ts";
export { MESSAGE_BYTES_MAX } from "./rules.ts";
export type {
  CallContext,
  CallOptions,
  CallStream,
  Client,
  ClientMethod,
  CloseReason,
  Handler,
  Handlers,
  MessageStream,
} from "./types.ts";
