// Calls of the public API while things go wrong: at one master, then at the next; every call is written down with its outcome.

import type { Connection } from "@sheaf/rpc";
import { publicConnection } from "@sheaf/rpc";
import { type Journal, monotonicNs } from "./journal.ts";
import { sleep } from "./sleep.ts";

const CALL_MS = 10_000;
const PAUSE_MS = 200;
/** These end a call for good: asking again would get the same answer. */
const FINAL = new Set(["INVALID_ARGUMENT", "FAILED_PRECONDITION", "UNIMPLEMENTED", "INTERNAL", "DATA_LOSS"]);

export class ApiCaller {
  readonly #connections: readonly Connection[];
  readonly #history: Journal;
  #at = 0;

  constructor(addresses: readonly string[], history: Journal) {
    // It tries again itself, so that each try stands in the history.
    this.#connections = addresses.map((address) => publicConnection(address, { retryMs: 0, timeoutMs: CALL_MS }));
    this.#history = history;
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  /** One try, at the master in use. Throws what it threw. */
  async once<T>(name: string, call: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = this.#connections[this.#at % this.#connections.length] as Connection;
    const begun = monotonicNs();
    const note = (code: string, why?: string) =>
      this.#history.write({ what: "call", name, address: connection.address, begun, code, ...(why && { why }) });
    try {
      const answer = await call(connection);
      note("OK");
      return answer;
    } catch (error) {
      const { code = "UNKNOWN" } = error as { code?: string };
      note(code, String(error));
      if (code !== "NOT_FOUND") this.#at++;
      throw error;
    }
  }

  /**
   * Tries until it succeeds: for calls that are harmless to repeat, by their nature or by their request id. Throws what is
   * final, and when `stopped`.
   */
  async until<T>(name: string, call: (connection: Connection) => Promise<T>, stopped: AbortSignal): Promise<T> {
    for (;;) {
      try {
        return await this.once(name, call);
      } catch (error) {
        const { code = "UNKNOWN" } = error as { code?: string };
        if (FINAL.has(code) || stopped.aborted) throw error;
        await sleep(PAUSE_MS, stopped);
      }
    }
  }
}
