/**
 * What the commands in pods do, seen from the test: each says when it begins, over HTTP, and goes on when it is let. It lives on
 * this machine, outside of Sheaf: what is run twice is seen here, whatever becomes of its result.
 */
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Begun {
  readonly datum: string;
  /** Name of the pod. */
  readonly pod: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

export class Gate {
  readonly begun: Begun[] = [];
  readonly #server: Server;
  readonly #waiting = new Map<string, ServerResponse[]>();
  readonly #open = new Set<string>();
  #allOpen = false;
  #port = 0;

  private constructor() {
    this.#server = createServer((request, answer) => {
      const [, pod = "", datum = ""] = (request.url ?? "").split("/").map(decodeURIComponent);
      this.begun.push({ datum, pod, atMs: Date.now() });
      if (this.#allOpen || this.#open.has(datum)) answer.end("go\n");
      else this.#waiting.set(datum, [...(this.#waiting.get(datum) ?? []), answer]);
    });
  }

  static async open(host: string): Promise<Gate> {
    const gate = new Gate();
    await new Promise<void>((resolve) => gate.#server.listen(0, host, resolve));
    gate.#port = (gate.#server.address() as AddressInfo).port;
    return gate;
  }

  /** Where it listens. No registry of images: whoever pulls from there is refused at once. */
  get address(): string {
    const { address } = this.#server.address() as AddressInfo;
    return `${address}:${this.#port}`;
  }

  /** A line of a script for the image `shell`: says that the datum begins, and waits until it is let go. The host's name is the pod's. */
  get line(): string {
    return `knock "http://${this.address}/$(hostname)/$(basename "$SHEAF_INPUT")" > /dev/null`;
  }

  /** How often each datum began. */
  counts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { datum } of this.begun) counts.set(datum, (counts.get(datum) ?? 0) + 1);
    return counts;
  }

  /** Datums that wait here now. */
  get waiting(): readonly string[] {
    return [...this.#waiting.keys()];
  }

  /** Lets some datums go; without names all, also those that come later. */
  letGo(...datums: readonly string[]): void {
    if (datums.length === 0) this.#allOpen = true;
    for (const datum of datums) this.#open.add(datum);
    for (const datum of datums.length === 0 ? this.waiting : datums) {
      for (const answer of this.#waiting.get(datum) ?? []) answer.end("go\n");
      this.#waiting.delete(datum);
    }
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
