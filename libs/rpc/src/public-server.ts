/**
 * The public API: gRPC, gRPC-Web and Connect/JSON from the same handlers on one plaintext port. Node's HTTP/2 server does
 * not speak HTTP/1.1 on plaintext, so the first bytes of each connection decide who gets it.
 */
import { createServer as createHttp1, type Server as Http1Server } from "node:http";
import { createServer as createHttp2, type Http2Server, type ServerHttp2Session } from "node:http2";
import { createServer, type Server, type Socket } from "node:net";
import { type Address, failedPrecondition, formatAddress } from "@sheaf/runtime";
import { HealthBoard } from "./health.ts";
import { publicListener } from "./public-mount.ts";
import { reflectionServices } from "./reflection.ts";
import { keepingContract, type PublicServerOptions, type RpcServer } from "./rpc-server.ts";
import { portInUse, refuseBeyondLoopback, type ServerRules, serverRules } from "./rules.ts";
import { firstBytes } from "./sniff.ts";

/** A connection that says nothing is closed after this. */
const FIRST_BYTES_MS = 5_000;
const LAST_WORDS_MS = 500;
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
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #http1: Http1Server;
  readonly #http2: Http2Server;
  #listening: Server | undefined;
  /** Resolves when the port is free and every connection is gone. */
  #closing: Promise<void> | undefined;
  #address: Address | undefined;

  constructor(options: PublicServerOptions) {
    this.#options = options;
    this.#rules = serverRules(options);
    this.health = new HealthBoard(options.services.map(({ service }) => service.typeName));
    const served = [...options.services, this.health.mounted()];
    const reflection = reflectionServices(served.map(({ service }) => service));
    const listener = publicListener([...served, ...reflection], this.#rules, options);
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
    const { host, port } = this.#options;
    refuseBeyondLoopback(host);
    const server = createServer({ pauseOnConnect: false }, (socket) => void this.#onConnection(socket));
    this.#address = { host, port: await listen(server, host, port) };
    this.#listening = server;
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
    for (const socket of this.#sockets) socket.destroy();
    this.#http1.closeAllConnections();
    await this.#closing;
  }

  /** Takes no connection and no call more; waits for the open calls, but no longer than this. */
  async #closeGently(ms: number): Promise<void> {
    this.#closing ??= closed(this.#listening);
    for (const session of this.#sessions) if (!session.closed) session.close();
    this.#http1.closeIdleConnections();
    const over = Promise.withResolvers<void>();
    using _timer = this.#rules.clock.timer(Math.max(0, ms), over.resolve);
    await Promise.race([this.#quiet(), over.promise]);
  }

  /** Resolves when no connection is open. */
  async #quiet(): Promise<void> {
    for (const socket of this.#sockets) {
      if (!socket.destroyed) await new Promise((resolve) => socket.once("close", resolve));
    }
  }

  #onSession(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.setLocalWindowSize(WINDOW_BYTES);
    session.once("close", () => this.#sessions.delete(session));
    session.on("error", (error) => this.#rules.log.debug({ err: error }, "a connection broke"));
    if (this.#rules.draining.aborted) session.close();
  }

  async #onConnection(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", (error) => this.#rules.log.debug({ err: error }, "a connection broke"));
    socket.setNoDelay(true);
    const first = await firstBytes(socket, FIRST_BYTES_MS, this.#rules.clock);
    if (first === "http2") this.#http2.emit("connection", socket);
    else if (first === "http1") this.#http1.emit("connection", socket);
    else socket.destroy();
  }
}

function closed(server: Server | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (server === undefined) resolve();
    else server.close(() => resolve());
  });
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") reject(portInUse(host, port, error));
      else
        reject(
          failedPrecondition("LISTEN_FAILED", `cannot listen on ${formatAddress({ host, port })}: ${error.message}`),
        );
    });
    server.listen({ host, port }, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}
