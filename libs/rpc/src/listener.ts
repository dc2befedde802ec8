/**
 * A port: connections that are ready to be spoken on, in plain text or TLS, for whichever server takes them.
 *
 * P1. A connection that does not say what it wants within five seconds is closed: its handshake, or the first bytes in plain text.
 * P2. There are at most so many connections; more are closed as they come.
 * P3. Certificates that change hold for connections that begin after it. Nothing is resumed: a resumed connection would go on with a
 *     certificate that nobody looked at again.
 */
import { constants } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from "node:tls";
import { contextOptions, type KeptTls, type Peer, peerOf, TLS_1_3 } from "@sheaf/identity";
import { type Address, type Clock, failedPrecondition, formatAddress, type Logger } from "@sheaf/runtime";
import { portInUse } from "./rules.ts";
import { firstBytes } from "./sniff.ts";

const SILENT_MS = 5_000;

export interface ListenerOptions extends Address {
  readonly tls: KeptTls | undefined;
  /** Whether a connection needs a certificate of ours; else it may have one. */
  readonly certificate: "required" | "optional";
  readonly connectionsMax: number;
  readonly log: Logger;
  readonly clock: Clock;
  readonly onConnection: (socket: Socket, protocol: "http1" | "http2") => void;
}

export class Listener {
  readonly #options: ListenerOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #forget: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** Resolves with the port. FAILED_PRECONDITION: PORT_IN_USE, LISTEN_FAILED. */
  async start(): Promise<number> {
    const { tls, host, port, connectionsMax } = this.#options;
    const server = tls === undefined ? this.#plain() : this.#secure(tls);
    server.maxConnections = connectionsMax; // P2
    const bound = await listen(server, host, port);
    this.#server = server;
    return bound;
  }

  /** Takes no more connections. Resolves when those that there are have gone. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#forget?.();
      if (this.#server === undefined) resolve();
      else this.#server.close(() => resolve());
    });
    return this.#closing;
  }

  /** Resolves when no connection is open. */
  async quiet(): Promise<void> {
    for (const socket of this.#sockets) {
      if (!socket.destroyed) await new Promise((resolve) => socket.once("close", resolve));
    }
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #plain(): Server {
    return createServer({ pauseOnConnect: false }, (socket) => {
      this.#keep(socket);
      void firstBytes(socket, SILENT_MS, this.#options.clock).then((first) => {
        if (first === "silent")
          socket.destroy(); // P1
        else this.#options.onConnection(socket, first);
      });
    });
  }

  #secure(tls: KeptTls): Server {
    const server = createTlsServer({ ...tlsOptions(tls, this.#options.certificate) }, (socket) => {
      if (isRefused(socket)) return void socket.destroy();
      this.#options.onConnection(socket, socket.alpnProtocol === "h2" ? "http2" : "http1");
    });
    // The one below TLS: it is there from the first byte, also when the handshake never ends.
    server.on("connection", (socket: Socket) => this.#keep(socket));
    server.on("tlsClientError", (error, socket) => {
      this.#options.log.debug({ err: error, from: socket.remoteAddress }, "a TLS handshake failed");
      socket.destroy(); // P1: of a handshake that took too long Node only tells
    });
    this.#forget = tls.onChange((changed) => server.setSecureContext({ ...contextOptions(changed), ...TLS_1_3 })); // P3
    return server;
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", (error) => this.#options.log.debug({ err: error }, "a connection broke"));
    socket.setNoDelay(true);
  }
}

function tlsOptions(tls: KeptTls, certificate: "required" | "optional"): TlsOptions {
  return {
    ...contextOptions(tls.value),
    ...TLS_1_3,
    ALPNProtocols: ["h2", "http/1.1"],
    requestCert: true,
    rejectUnauthorized: certificate === "required",
    handshakeTimeout: SILENT_MS, // P1
    secureOptions: constants.SSL_OP_NO_TICKET, // P3
  };
}

/** A certificate may be left out where it is optional; one that is given has to be good. */
function isRefused(socket: TLSSocket): boolean {
  return !socket.authorized && Object.keys(socket.getPeerCertificate()).length > 0;
}

/** Whose certificate a connection has; undefined for plain text, for none, and for one that is no service's. */
export function peerOfSocket(socket: Socket): Peer | undefined {
  if (!("authorized" in socket) || socket.authorized !== true) return undefined;
  const parsed = peerOf((socket as TLSSocket).getPeerCertificate().subjectaltname);
  return "value" in parsed ? parsed.value : undefined;
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
