/** Node's streams, as grpc-js gives them, as the streams of types.ts: backpressure both ways, ends as values. */
import { Readable, type Writable } from "node:stream";
import { type SheafError, unavailable } from "@sheaf/runtime";
import type { CloseReason, MessageStream } from "./types.ts";

/** The end of a stream: told once, by whichever side of the transport learns of it first. */
export class StreamEnd {
  readonly closed: Promise<CloseReason>;
  readonly #settled = Promise.withResolvers<CloseReason>();
  readonly #waiting = new Set<() => void>();
  #reason: CloseReason | undefined;

  constructor() {
    this.closed = this.#settled.promise;
  }

  get reason(): CloseReason | undefined {
    return this.#reason;
  }

  /** The first reason stands. */
  close(reason: CloseReason): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#settled.resolve(reason);
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Calls `fn` when the stream is over, unless the returned function is called before. */
  onClose(fn: () => void): () => void {
    this.#waiting.add(fn);
    return () => this.#waiting.delete(fn);
  }
}

/** A bidirectional stream over a duplex of grpc-js. Who makes it calls `end.close` when the transport says so. */
export function messageStream(duplex: Readable & Writable, end: StreamEnd): MessageStream<unknown, unknown> {
  return {
    messages: readAll(duplex, end),
    write: (message) => writeTo(duplex, message, end),
    closed: end.closed,
  };
}

/** The messages until the peer sends no more or the stream is over; an error of the transport is in `end`. */
export async function* readAll(readable: Readable, end: StreamEnd): AsyncGenerator<unknown, void, void> {
  // Leaving the loop early must not destroy the stream: the other direction may still be in use.
  const messages = Readable.prototype.iterator.call(readable, { destroyOnReturn: false });
  try {
    for await (const message of messages) yield message;
  } catch (error) {
    // grpc-js tells the status apart from this error; without one the transport itself broke.
    if (end.reason === undefined) end.close({ kind: "lost", error: brokenOff(error) });
  }
}

/** Resolves when the transport wants more; rejects when the stream is over. */
export function writeTo(writable: Writable, message: unknown, end: StreamEnd): Promise<void> {
  if (end.reason !== undefined || writable.writableEnded || writable.destroyed) return Promise.reject(overError(end));
  if (writable.write(message)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const onDrain = () => {
      unsubscribe();
      resolve();
    };
    const onOver = () => {
      writable.off("drain", onDrain);
      reject(overError(end));
    };
    const unsubscribe = end.onClose(onOver);
    writable.once("drain", onDrain);
  });
}

function overError(end: StreamEnd): SheafError {
  const reason = end.reason;
  const why = reason === undefined || !("error" in reason) ? "it was ended" : reason.error.message;
  return unavailable("STREAM_CLOSED", `the stream is over: ${why}`);
}

function brokenOff(cause: unknown): SheafError {
  return unavailable("STREAM_BROKEN", "the stream broke off", { cause });
}
