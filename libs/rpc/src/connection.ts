/** What both kinds of client are to their callers. */
import type { DescService } from "@bufbuild/protobuf";
import { type Clock, cancelled } from "@sheaf/runtime";
import type { CallOptions, Client } from "./types.ts";

export interface ConnectionOptions {
  readonly clock?: Clock;
  /** Milliseconds for a unary call that sets none. Default 30,000. */
  readonly timeoutMs?: number;
}

/**
 * One connection to one address, for any number of services. It connects with the first call, and again when it broke:
 * a wrong address shows with the first call, as UNAVAILABLE.
 */
export interface Connection {
  /** "host:port". */
  readonly address: string;
  client<S extends DescService>(service: S): Client<S>;
  /** Open calls end with CANCELLED. Twice is harmless. */
  close(): void;
}

/** A connection for one service. */
export interface ServiceClient<S extends DescService> {
  readonly rpc: Client<S>;
  close(): void;
}

export function oneService<S extends DescService>(connection: Connection, service: S): ServiceClient<S> {
  return { rpc: connection.client(service), close: () => connection.close() };
}

/** The calls that are open, so that a close can call them off. */
export class OpenCalls {
  readonly #cancels = new Set<() => void>();
  #closed = false;

  /**
   * Calls `cancel` when the caller's signal is aborted or the connection is closed, until `forget`. `calledOff` tells
   * whether that happened, with the reason to give.
   */
  track(cancel: () => void, { signal }: CallOptions): TrackedCall {
    let calledOff = false;
    const off = () => {
      calledOff = true;
      cancel();
    };
    const forget = () => {
      this.#cancels.delete(off);
      signal?.removeEventListener("abort", off);
    };
    this.#cancels.add(off);
    signal?.addEventListener("abort", off, { once: true });
    if (signal?.aborted || this.#closed) off();
    return { forget, calledOff: () => calledOff };
  }

  cancelAll(): void {
    this.#closed = true;
    for (const cancel of [...this.#cancels]) cancel();
  }
}

export interface TrackedCall {
  forget(): void;
  calledOff(): boolean;
}

export function calledOffError({ signal }: CallOptions) {
  return cancelled("CALLED_OFF", "the call was called off", signal?.aborted ? { cause: signal.reason } : {});
}
