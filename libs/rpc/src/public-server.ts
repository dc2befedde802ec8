/**
 * The public API: gRPC, gRPC-Web and Connect/JSON from the same handlers on one port. Node's HTTP/2 server does
 * not speak HTTP/1.1 on plaintext, so the first bytes of each connection decide who gets it; in TLS the handshake does.
 */
import { createServer as createHttp1, type Server as Http1Server } from "node:http";
import { createServer as createHttp2, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { type Address, failedPrecondition } from "@sheaf/runtime";
import { everybody, usersOnly } from "./access.ts";
import { HealthBoard } from "./health.ts";
import { Listener } from "./listener.ts";
import { publicListener } from "./public-mount.ts";
import { reflectionServices } from "./reflection.ts";
import { keepingContract, type PublicServerOptions, type RpcServer } from "./rpc-server.ts";
import { refuseBeyondLoopback, type ServerRules, serverRules } from "./rules.ts";

const LAST_WORDS_MS = 500;
const CONNECTIONS_MAX = 4_096;
/** A connection that is not used is closed after this. Clients of ours close theirs sooner. */
const IDLE_MS = 600_000;
/**
 * Bytes that may be under way on a connection, and in one of its uploads. Node's 64 KiB for a connection make whoever sends
 * and whoever takes wait for each other in turn.
 */
const WINDOW_BYTES = 4 * 1024 * 1024;

/** FAILED_PRECONDITION from `start`: PORT_IN_USE, LISTEN_NOT_LOOPBACK. */
export function servePublic(options: PublicServerOptions): RpcServer {
  return keepingContract(new PublicServer(options));
}

class PublicServer implements RpcServer {
  readonly health: HealthBoard;
  readonly #options: PublicServerOptions;
  readonly #rules: ServerRules;
  readonly #listener: Listener;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #http1: Http1Server;
  readonly #http2: Http2Server;
  #address: Address | undefined;

  constructor(options: PublicServerOptions) {
    this.#options = options;
    const { tls, tokens } = options;
    this.#rules = serverRules(options, tokens === undefined ? everybody : usersOnly(tokens));
    this.health = new HealthBoard(options.services.map(({ service }) => service.typeName));
    const served = [...options.services, this.health.mounted()];
    const reflection = reflectionServices(served.map(({ service }) => service));
    const rules = { ...this.#rules, secure: tls !== undefined };
    const listener = publicListener([...served, ...reflection], rules, options);
    this.#listener = new Listener({
      ...options,
      tls,
      certificate: "optional",
      connectionsMax: options.connectionsMax ?? CONNECTIONS_MAX,
      clock: this.#rules.clock,
      onConnection: (socket, protocol) => this.#onConnection(socket, protocol),
    });
    // An upload may take as long as it takes; its headers may not.
    this.#http1 = createHttp1({ requestTimeout: 0, headersTimeout: 10_000 }, listener);
    this.#http2 = createHttp2(
      {
        settings: { maxConcurrentStreams: 256, initialWindowSize: WINDOW_BYTES },
        maxSessionMemory: 64, // megabytes of one connection
      },
      listener,
    );
    this.#http2.on("session", (session) => this.#onSession(session));
  }

  get address(): Address {
    if (this.#address === undefined) throw failedPrecondition("NOT_STARTED", "the server does not listen yet");
    return this.#address;
  }

  async start(): Promise<void> {
    const { host, tls, tokens } = this.#options;
    refuseBeyondLoopback(host, { tls: tls !== undefined, tokens: tokens !== undefined });
    this.#address = { host, port: await this.#listener.start() };
    this.health.setAll(true);
  }

  async drain(deadline: number): Promise<void> {
    this.health.setAll(false);
    this.#rules.drain();
    await this.#closeGently(deadline - this.#rules.clock.now());
  }

  async stop(): Promise<void> {
    this.health.setAll(false);
    this.#rules.drain();
    this.#rules.end();
    await this.#closeGently(LAST_WORDS_MS);
    for (const session of this.#sessions) session.destroy();
    this.#listener.cut();
    this.#http1.closeAllConnections();
    await this.#listener.close();
  }

  /** Takes no connection and no call more; waits for the open calls, but no longer than this. */
  async #closeGently(ms: number): Promise<void> {
    void this.#listener.close();
    for (const session of this.#sessions) if (!session.closed) session.close();
    this.#http1.closeIdleConnections();
    const over = Promise.withResolvers<void>();
    using _timer = this.#rules.clock.timer(Math.max(0, ms), over.resolve);
    await Promise.race([this.#listener.quiet(), over.promise]);
  }

  #onSession(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.setLocalWindowSize(WINDOW_BYTES);
    session.setTimeout(IDLE_MS, () => session.close());
    session.once("close", () => this.#sessions.delete(session));
    session.on("error", (error) => this.#rules.log.debug({ err: error }, "a connection broke"));
    if (this.#rules.draining.aborted) session.close();
  }

  #onConnection(socket: Socket, protocol: "http1" | "http2"): void {
    if (protocol === "http2") this.#http2.emit("connection", socket);
    else this.#http1.emit("connection", socket);
  }
}
