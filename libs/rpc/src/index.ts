/** @sheaf/rpc: calls between services (grpc-js) and the public API (connect-node). Handlers fit both. */
export { type ClientTls, reloadingCredentials } from "./client-tls.ts";
export type { Connection, ConnectionOptions, ServiceClient } from "./connection.ts";
export { grpcClient, grpcConnection } from "./grpc-client.ts";
export { serveGrpc } from "./grpc-server.ts";
export type { CallContext, Handler, Handlers } from "./handlers.ts";
export { HealthBoard } from "./health.ts";
export { serveHealth } from "./health-server.ts";
export type { HttpAnswer, HttpRequest, HttpRoute } from "./http-route.ts";
export { MESSAGE_BYTES_MAX } from "./limits.ts";
export { implement, type MountedService } from "./mount.ts";
export { type PublicConnectionOptions, publicClient, publicConnection } from "./public-client.ts";
export { servePublic } from "./public-server.ts";
export type { PublicServerOptions, RpcServer, RpcServerOptions } from "./rpc-server.ts";
export type { CallOptions, CallStream, Client, ClientMethod, CloseReason, MessageStream } from "./types.ts";
