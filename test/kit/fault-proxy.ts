/**
 * A bad network between a client and a server on this machine: a TCP proxy that passes, refuses, swallows, slows or cuts.
 * It works on bytes, so it does to any protocol what a network does. It can do so to some clients only.
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
  | "drop-responses"
  /** Every byte takes SLOW_MS +- a half of it, each way. */
  | "slow";

/** By the port that a client has on its side; see link-owner.ts. */
export type WhichClients = (clientPort: number) => boolean;

const SLOW_MS = 100;
const EVERYBODY: WhichClients = () => true;

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  readonly clientPort: number;
  /** The mode is for this link, too. */
  hit: boolean;
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
  #who: WhichClients = EVERYBODY;

  private constructor(target: number) {
    this.#target = target;
  }

  /** A proxy before `address`, a port of this machine (`127.0.0.1:2379`); on a free port, or on `port`. */
  static async before(address: string, port = 0): Promise<FaultProxy> {
    const proxy = new FaultProxy(Number(address.split(":").at(-1)));
    proxy.#port = port;
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
   * Changes the weather, for existing connections as well; with `who` for those clients only, and for the others it
   * is fine. From a mode that swallows bytes to another, the links that it hit are cut: a stream with a hole in it is
   * no stream.
   */
  async set(mode: FaultMode, who: WhichClients = EVERYBODY): Promise<void> {
    const swallowed = this.#mode === "black-hole" || this.#mode === "drop-responses";
    if (swallowed) this.cut(({ hit }) => hit);
    this.#mode = mode;
    this.#who = who;
    for (const link of this.#links) link.hit = this.#hits(link.clientPort);
    if (mode === "refuse") this.cut(({ hit }) => hit);
    if (mode === "refuse" && who === EVERYBODY) await this.#deafen();
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
  cut(which: (link: { readonly hit: boolean }) => boolean = () => true): void {
    for (const link of [...this.#links].filter(which)) {
      link.client.resetAndDestroy();
      link.server.resetAndDestroy();
    }
  }

  async close(): Promise<void> {
    this.cut();
    await this.#deafen();
  }

  #hits(clientPort: number): boolean {
    return this.#mode !== "pass" && this.#who(clientPort);
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
    const clientPort = client.remotePort ?? 0;
    const hit = this.#hits(clientPort);
    if (hit && this.#mode === "refuse") return void client.resetAndDestroy();
    const server = createConnection(this.#target, "127.0.0.1");
    const link: Link = { client, server, clientPort, hit, dead: false };
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
    const [toServer, toClient] = [inOrder(server), inOrder(client)];
    client.on("data", (bytes) => {
      if (link.dead || (link.hit && this.#mode === "black-hole")) return;
      toServer(bytes, this.#delay(link));
    });
    server.on("data", (bytes) => {
      const swallowed = link.hit && (this.#mode === "black-hole" || this.#mode === "drop-responses");
      if (link.dead || swallowed) this.dropped.emit();
      else toClient(bytes, this.#delay(link));
    });
    this.connected.emit();
  }

  #delay({ hit }: Link): number {
    return hit && this.#mode === "slow" ? SLOW_MS * (0.5 + Math.random()) : 0;
  }
}

/** Writes to a socket after a delay, and never out of order. */
function inOrder(socket: Socket): (bytes: Buffer, delayMs: number) => void {
  let free = 0;
  return (bytes, delayMs) => {
    const now = performance.now();
    free = Math.max(free, now + delayMs);
    if (free <= now) socket.write(bytes);
    else setTimeout(() => socket.writable && socket.write(bytes), free - now);
  };
}
