/** What a caller sees of a call: the same on grpc-js and on connect. */
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
import type { SheafError } from "@sheaf/runtime";

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

/** What a caller or a handler gives for a message: the message, or its fields. */
export type Fields = Record<string, unknown>;

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
