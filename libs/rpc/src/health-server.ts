/**
 * A port for probes that speak no TLS, as those of Kubernetes' nodes. It answers grpc.health.v1 in plain text, to everybody, and nothing
 * else, so it may listen anywhere.
 */
import type { Address, Component, Logger } from "@sheaf/runtime";
import { everybody } from "./access.ts";
import { GrpcServer } from "./grpc-server.ts";
import type { HealthBoard } from "./health.ts";
import { keepingContract } from "./rpc-server.ts";

/** Probes come one at a time. */
const CONNECTIONS_MAX = 64;

/** `board`: of the server that is asked about. Without an address there is no such port. */
export function serveHealth(listen: Address | undefined, board: HealthBoard, log: Logger): Component {
  if (listen === undefined) return { start: async () => {}, stop: async () => {} };
  const options = { ...listen, services: [], connectionsMax: CONNECTIONS_MAX, log };
  const server = keepingContract(new GrpcServer(options, { access: everybody, board, anywhere: true }));
  // Not drained: while a service drains, it says here that it does not serve.
  return { start: () => server.start(), stop: () => server.stop() };
}
