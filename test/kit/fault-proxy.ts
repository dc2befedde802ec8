/**
 * A bad network between a client and a server on this machine: a TCP proxy that passes, refuses, swallows or cuts.
 * It works on bytes, so it does to any protocol what a network does.
 */
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { Signal } from "@sheaf/runtime";

export type FaultMode =
  | "pass"
  /** Nobody listens; existing connections are cut. */
  | "refuse"
  /** Connections are taken and kept, and no byte goes through, in either direction. */
  | "black-hole"
  /** What the client says arrives, what the server answers does not. */
  | "drop-responses";

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** Bytes of it were swallowed and nobody was told: nothing will ever go through again. */
  dead: boolean;
}

export class FaultProxy {
  /** Each time a client has connected. Arm it before. */
  readonly connected = new Signal<void>();
  /** Each time that bytes of the server were dropped. Arm it before. */
  readonly dropped = new Signal<void>();
  readonly #target: number;
  readonly #links = new Set<Link>();
  #server: Server | undefined;
  #port = 0;
  #mode: FaultMode = "pass";

  private constructor(target: number) {
    this.#target = target;
  }

  /** A proxy on a free port before `address`, a port of this machine (`127.0.0.1:2379`). */
  static async before(address: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(Number(address.split(":").at(-1)));
    await proxy.#listen();
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Open connections. */
  get links(): number {
    return this.#links.size;
  }

  /**
   * Changes the weather, for existing connections as well. From a mode that swallows bytes back to `pass`,
   * connections are cut: a stream with a hole in it is no stream.
   */
  async set(mode: FaultMode): Promise<void> {
    const swallowed = this.#mode === "black-hole" || this.#mode === "drop-responses";
    this.#mode = mode;
    if (mode === "refuse" || (swallowed && mode === "pass")) this.cut();
    if (mode === "refuse") await this.#deafen();
    else if (this.#server === undefined) await this.#listen();
  }

  /**
   * The network passes again, but connections that are open now stay dead, and nobody is told: as after a
   * partition that was longer than the memory of the boxes on the way.
   */
  heal(): void {
    for (const link of this.#links) link.dead = true;
    this.#mode = "pass";
  }

  /** Resets every connection that is open now; new ones are welcome. */
  cut(): void {
    for (const { client, server } of this.#links) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  async close(): Promise<void> {
    this.cut();
    await this.#deafen();
  }

  async #listen(): Promise<void> {
    const server = createServer((client) => this.#link(client));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, "127.0.0.1", resolve);
    });
    const bound = server.address();
    if (typeof bound === "object" && bound !== null) this.#port = bound.port;
  }

  async #deafen(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  #link(client: Socket): void {
    const server = createConnection(this.#target, "127.0.0.1");
    const link: Link = { client, server, dead: false };
    this.#links.add(link);
    const end = () => {
      this.#links.delete(link);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on("error", end);
      socket.on("close", end);
    }
    client.on("data", (bytes) => {
      if (this.#mode !== "black-hole" && !link.dead) server.write(bytes);
    });
    server.on("data", (bytes) => {
      if (this.#mode === "pass" && !link.dead) client.write(bytes);
      else this.dropped.emit();
    });
    this.connected.emit();
  }
}
