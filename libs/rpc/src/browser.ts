/** @sheaf/rpc in a browser: calls of the public API, the same as in Node but for uploads. */
export type { Connection } from "./connection.ts";
export type { CallerOptions as PublicConnectionOptions } from "./connection-over.ts";
export type { CallOptions, CallStream, Client, ClientMethod, CloseReason, MessageStream } from "./types.ts";
export { publicConnection } from "./web-client.ts";
