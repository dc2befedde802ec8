/** One call of the program: what its command works with, and how it ended. */
import type { SheafClient } from "@sheaf/client";
import { EXIT } from "./exit-codes.ts";
import type { Host, Interrupt } from "./host.ts";

/** For how long calls that change nothing are made again while nobody answers, in milliseconds. */
const RETRY_MS = 3_000;

export class Session {
  readonly host: Host;
  exitCode: number = EXIT.done;
  /** Why the command is to end, when it is. */
  interrupted: Interrupt | undefined;
  readonly #off = new AbortController();
  readonly #clients: SheafClient[] = [];

  constructor(host: Host) {
    this.host = host;
  }

  /** Aborted by Ctrl-C. */
  get signal(): AbortSignal {
    return this.#off.signal;
  }

  /** False when it was interrupted before. */
  interrupt(interrupt: Interrupt): boolean {
    if (this.interrupted !== undefined) return false;
    this.interrupted = interrupt;
    this.#off.abort(new Error(`interrupted by ${interrupt.name}`));
    return true;
  }

  /** A client of this address, or of SHEAF_ADDRESS; closed at the end. */
  connect(address: string | undefined): Promise<SheafClient> {
    return this.#client(address, this.host.env);
  }

  /** A client of a cluster of our own: the token and the CA of the environment are another's. */
  connectToOwn(address: string): Promise<SheafClient> {
    return this.#client(address, {});
  }

  async #client(address: string | undefined, env: Host["env"]): Promise<SheafClient> {
    const { connect } = await import("@sheaf/client");
    const client = connect(address, { env, retryMs: RETRY_MS });
    this.#clients.push(client);
    return client;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
  }
}
