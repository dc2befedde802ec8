/**
 * The server between services: grpc-js. It drains in three steps, because grpc-js itself never ends while a stream is
 * open: the handlers of streams see `draining` and return; `tryShutdown` waits for the other calls
 * until the deadline; `stop` ends what is left with UNAVAILABLE and, half a second later, cuts the connections.
 */
import type { Socket } from "node:net";
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from "@grpc/grpc-js";
import { type Address, failedPrecondition } from "@sheaf/runtime";
import { type Access, everybody, servicesOnly } from "./access.ts";
import { mountGrpc } from "./grpc-mount.ts";
import { HealthBoard } from "./health.ts";
import { MESSAGE_BYTES_MAX } from "./limits.ts";
import { Listener } from "./listener.ts";
import { keepingContract, type RpcServer, type RpcServerOptions } from "./rpc-server.ts";
import { refuseBeyondLoopback, type ServerRules, serverRules } from "./rules.ts";

/** How long ended calls may take to reach their callers before the connections are cut. */
const LAST_WORDS_MS = 500;
/** Each worker has one. */
const CONNECTIONS_MAX = 10_000;

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

/** With `tls`, services of the same cluster alone may call, as the contract says. FAILED_PRECONDITION from `start`: PORT_IN_USE, LISTEN_NOT_LOOPBACK. */
export function serveGrpc(options: RpcServerOptions): RpcServer {
  const access = options.tls === undefined ? everybody : servicesOnly(options.tls.value.self.cluster);
  const board = new HealthBoard(options.services.map(({ service }) => service.typeName));
  return keepingContract(new GrpcServer(options, { access, board, anywhere: false }));
}

interface Guard {
  readonly access: Access;
  readonly board: HealthBoard;
  /** Whether it may listen beyond loopback in plain text. */
  readonly anywhere: boolean;
}

/** Within this package: who makes one says who may call it. */
export class GrpcServer implements RpcServer {
  readonly health: HealthBoard;
  readonly #options: RpcServerOptions;
  readonly #rules: ServerRules;
  readonly #listener: Listener;
  readonly #anywhere: boolean;
  #server: Server | undefined;
  #inject: ((socket: Socket) => void) | undefined;
  #address: Address | undefined;
  #shutdown: Promise<unknown> | undefined;

  constructor(options: RpcServerOptions, { access, board, anywhere }: Guard) {
    this.#options = options;
    this.#anywhere = anywhere;
    const { tls } = options;
    this.#rules = serverRules(options, access);
    this.#listener = new Listener({
      ...options,
      tls,
      certificate: "required",
      connectionsMax: options.connectionsMax ?? CONNECTIONS_MAX,
      clock: this.#rules.clock,
      onConnection: (socket, protocol) => {
        if (protocol === "http2" && this.#inject !== undefined) this.#inject(socket);
        else socket.destroy();
      },
    });
    this.health = board;
  }

  get address(): Address {
    if (this.#address === undefined) throw failedPrecondition("NOT_STARTED", "the server does not listen yet");
    return this.#address;
  }

  async start(): Promise<void> {
    const { host, services } = this.#options;
    // Its callers need certificates: no tokens.
    if (!this.#anywhere) refuseBeyondLoopback(host, { tls: this.#options.tls !== undefined, tokens: true });
    setLogVerbosity(logVerbosity.NONE); // it writes to standard error what it also throws
    const server = new Server(OPTIONS);
    for (const service of [...services, this.health.mounted()]) mountGrpc(server, service, this.#rules);
    // The port is ours and not grpc-js's, which knows neither a limit of connections nor certificates that change.
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#inject = (socket) => injector.injectConnection(socket);
    this.#server = server;
    this.#address = { host, port: await this.#listener.start() };
    this.#serving(true);
  }

  async drain(deadline: number): Promise<void> {
    this.#serving(false);
    this.#rules.drain();
    await this.#wait(deadline - this.#rules.clock.now());
  }

  async stop(): Promise<void> {
    this.#serving(false);
    this.#rules.drain();
    this.#rules.end();
    await this.#wait(LAST_WORDS_MS);
    this.#inject = undefined;
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.#listener.cut();
    await this.#listener.close();
  }

  /** A port for probes tells what others say of themselves. */
  #serving(yes: boolean): void {
    if (!this.#anywhere) this.health.setAll(yes);
  }

  /** Takes no more calls and waits for the open ones, but no longer than this. */
  async #wait(ms: number): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#shutdown ??= Promise.all([
      this.#listener.close(),
      new Promise<void>((resolve) => server.tryShutdown(() => resolve())),
    ]);
    const over = Promise.withResolvers<void>();
    using _timer = this.#rules.clock.timer(Math.max(0, ms), over.resolve);
    await Promise.race([this.#shutdown, over.promise]);
  }
}
