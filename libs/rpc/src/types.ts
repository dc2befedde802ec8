/**
 * What a handler and a caller see of a call: the same on grpc-js and on connect, so that a handler is written once and
 * mounted on either.
 */
import type {
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Peer } from "@sheaf/identity";
import type { SheafError } from "@sheaf/runtime";

/** What a handler knows of the call that it answers. */
export interface CallContext {
  /** "/sheaf.api.v1.JobService/InspectJob". */
  readonly method: string;
  /** Aborted when the call ends before its handler: caller gone, deadline, stop. Its reason is a SheafError. */
  readonly signal: AbortSignal;
  /** Aborted when the server drains: the handler of a long stream says good-bye and returns. */
  readonly draining: AbortSignal;
  /** Milliseconds until the deadline, 0 when it is over; undefined when there is none. */
  readonly timeLeftMs: () => number | undefined;
  /**
   * Ends the call though its caller reads nothing: it gets RESOURCE_EXHAUSTED where the connection can say so, else UNAVAILABLE. A handler
   * that waits for its caller cannot throw. Twice is harmless.
   */
  readonly cut: () => void;
  /** A header of the request (any case); undefined when it was not sent. */
  readonly header: (name: string) => string | undefined;
  /** The service that calls, by its certificate; undefined: none, or not known. */
  readonly peer: Peer | undefined;
}

/**
 * Why a stream is over.
 * - `ended`: in order: the handler returned.
 * - `cancelled`: this side called it off.
 * - `lost`: the connection broke, or the peer called it off or is draining. A new stream may succeed.
 * - `failed`: the peer refused. Trying again gives the same.
 */
export type CloseReason =
  | { readonly kind: "ended" }
  | { readonly kind: "cancelled" }
  | { readonly kind: "lost"; readonly error: SheafError }
  | { readonly kind: "failed"; readonly error: SheafError };

/** One side of a bidirectional stream. */
export interface MessageStream<In, Out> {
  /**
   * The peer's messages, in order. To be iterated once. Not reading holds the peer back (about 16 messages, then the
   * window of HTTP/2). It ends when the peer sends no more or the stream is over; it never throws: `closed` says why.
   */
  readonly messages: AsyncIterable<In>;
  /** Resolves when there is room for another message. Rejects with UNAVAILABLE when the stream is over. */
  write(message: Out): Promise<void>;
  /** Resolves once, when the stream is over; never rejects. On the calling side it needs `messages` to be read. */
  readonly closed: Promise<CloseReason>;
}

/** The calling side of a bidirectional stream. */
export interface CallStream<In, Out> extends MessageStream<In, Out> {
  /** Sends no more. The peer still may. */
  end(): void;
  /** Calls it off: both sides are over. Twice is harmless. */
  cancel(): void;
}

/** The function that answers one RPC. It throws SheafErrors; anything else is told to nobody but the log. */
export type Handler<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, context: CallContext) => Promise<MessageInitShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, context: CallContext) => AsyncIterable<MessageInitShape<O>>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (requests: AsyncIterable<MessageShape<I>>, context: CallContext) => Promise<MessageInitShape<O>>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (stream: MessageStream<MessageShape<I>, MessageInitShape<O>>, context: CallContext) => Promise<void>
          : never;

/** The handlers of a service, by the local name of the RPC. Those that are left out answer UNIMPLEMENTED. */
export type Handlers<S extends DescService> = {
  readonly [K in keyof S["method"]]?: Handler<S["method"][K]>;
};

export interface CallOptions {
  /** Calls it off. */
  readonly signal?: AbortSignal;
  /** Milliseconds for the whole call, retries included. Default: that of the client for unary calls, none for streams. */
  readonly timeoutMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The function that makes one RPC. It throws SheafErrors only. */
export type ClientMethod<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (requests: AsyncIterable<MessageInitShape<I>>, options?: CallOptions) => Promise<MessageShape<O>>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (options?: CallOptions) => CallStream<MessageShape<O>, MessageInitShape<I>>
          : never;

/** A service as its callers see it. Breaking out of a loop over a stream calls it off. */
export type Client<S extends DescService> = {
  readonly [K in keyof S["method"]]: ClientMethod<S["method"][K]>;
};
