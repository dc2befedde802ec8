/**
 * The server between services: grpc-js. It drains in three steps, because grpc-js itself never ends while a stream is
 * open: the handlers of streams see `draining` and return; `tryShutdown` waits for the other calls
 * until the deadline; `stop` ends what is left with UNAVAILABLE and, half a second later, cuts the connections.
 */
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from "@grpc/grpc-js";
import { type Address, failedPrecondition, formatAddress } from "@sheaf/runtime";
import { mountGrpc } from "./grpc-mount.ts";
import { HealthBoard } from "./health.ts";
import { keepingContract, type RpcServer, type RpcServerOptions } from "./rpc-server.ts";
import { MESSAGE_BYTES_MAX, portInUse, refuseBeyondLoopback, type ServerRules, serverRules } from "./rules.ts";

/** How long ended calls may take to reach their callers before the connections are cut. */
const LAST_WORDS_MS = 500;

const OPTIONS = {
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  // A ping after a graceful GOAWAY kills accepted calls (grpc-node #3068): no more often than a drain takes.
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 10_000,
  "grpc.max_concurrent_streams": 256,
  // Megabytes of one connection; without it Node holds as much as a peer that never reads lets it.
  "grpc-node.max_session_memory": 64,
  "grpc.enable_channelz": 0,
} as const;

/** FAILED_PRECONDITION from `start`: PORT_IN_USE, LISTEN_NOT_LOOPBACK. */
export function serveGrpc(options: RpcServerOptions): RpcServer {
  return keepingContract(new GrpcServer(options));
}

class GrpcServer implements RpcServer {
  readonly health: HealthBoard;
  readonly #options: RpcServerOptions;
  readonly #rules: ServerRules;
  #server: Server | undefined;
  #address: Address | undefined;
  #shutdown: Promise<void> | undefined;

  constructor(options: RpcServerOptions) {
    this.#options = options;
    this.#rules = serverRules(options);
    this.health = new HealthBoard(options.services.map(({ service }) => service.typeName));
  }

  get address(): Address {
    if (this.#address === undefined) throw failedPrecondition("NOT_STARTED", "the server does not listen yet");
    return this.#address;
  }

  async start(): Promise<void> {
    const { host, port, services } = this.#options;
    refuseBeyondLoopback(host);
    setLogVerbosity(logVerbosity.NONE); // it writes to standard error what it also throws
    const server = new Server(OPTIONS);
    for (const service of [...services, this.health.mounted()]) mountGrpc(server, service, this.#rules);
    this.#address = { host, port: await bind(server, host, port) };
    this.#server = server;
    this.health.setAll(true);
  }

  async drain(deadline: number): Promise<void> {
    this.health.setAll(false);
    this.#rules.drain();
    await this.#wait(deadline - this.#rules.clock.now());
  }

  async stop(): Promise<void> {
    this.health.setAll(false);
    this.#rules.drain();
    this.#rules.end();
    await this.#wait(LAST_WORDS_MS);
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  /** Takes no more calls and waits for the open ones, but no longer than this. */
  async #wait(ms: number): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#shutdown ??= new Promise((resolve) => server.tryShutdown(() => resolve()));
    const over = Promise.withResolvers<void>();
    using _timer = this.#rules.clock.timer(Math.max(0, ms), over.resolve);
    await Promise.race([this.#shutdown, over.promise]);
  }
}

async function bind(server: Server, host: string, port: number): Promise<number> {
  try {
    return await new Promise((resolve, reject) => {
      const address = formatAddress({ host, port });
      server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
  } catch (error) {
    server.forceShutdown();
    if (error instanceof Error && /EADDRINUSE/.test(error.message)) throw portInUse(host, port, error);
    throw failedPrecondition("LISTEN_FAILED", `cannot listen on ${formatAddress({ host, port })}`, {
      cause: error,
    });
  }
}
