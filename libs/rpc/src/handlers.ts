/** What a handler sees of a call: the same on grpc-js and on connect, so that it is written once and mounted on either. */
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
import type { MessageStream } from "./types.ts";

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
