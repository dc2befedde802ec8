/** What both servers of this package are to those who start and stop them. */
import { type Address, type Component, Lifecycle } from "@sheaf/runtime";
import type { HealthBoard } from "./health.ts";
import type { HttpRoute } from "./http-route.ts";
import type { MountedService } from "./mount.ts";
import type { RuleOptions } from "./rules.ts";

export interface RpcServerOptions extends RuleOptions {
  /** Loopback only, as long as there is no TLS. */
  readonly host: string;
  /** 0: any free one; `address` tells which. */
  readonly port: number;
  /** Made by `implement`. grpc.health.v1 is added. */
  readonly services: readonly MountedService[];
}

export interface PublicServerOptions extends RpcServerOptions {
  /** Served beside the RPCs, by the beginning of the path. */
  readonly routes?: readonly HttpRoute[];
  /** Web pages that may call: "https://console.example". Default: none but those that this port serves. */
  readonly browserOrigins?: readonly string[];
}

export interface RpcServer extends Component {
  /** Where it listens. Throws before `start`. */
  readonly address: Address;
  /** Everything serves from start to drain; more can be set by hand. */
  readonly health: HealthBoard;
  /** Refuses new calls, tells the streams, and waits for the calls under way. */
  drain(deadline: number): Promise<void>;
}

/** Start once, stop twice, stop while starting: as `Component` promises. */
export function keepingContract(server: RpcServer): RpcServer {
  const life = new Lifecycle([server]);
  return {
    get address() {
      return server.address;
    },
    health: server.health,
    start: () => life.start(),
    drain: (deadline) => life.drain(deadline),
    stop: () => life.stop(),
  };
}
