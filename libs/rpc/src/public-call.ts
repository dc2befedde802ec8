/** The forms of a call over connect. */
import { create, type DescMessage, type DescMethod, type Message } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { ConnectError, type Transport } from "@connectrpc/connect";
import { type Clock, internal, retry, SheafError } from "@sheaf/runtime";
import { calledOffError, type OpenCalls } from "./connection.ts";
import { fromConnectError, isBrokenFetch } from "./error-connect.ts";
import type { CallOptions, Fields } from "./types.ts";
import { unreachable } from "./unreachable.ts";

/** What makes the calls: Node's HTTP/2, or the fetch of a browser, which sends no streams and says little of what went wrong. */
export type Carrier = "http2" | "fetch";

/** What the calls of one connection share. */
export interface PublicCaller {
  readonly transport: Transport;
  readonly carrier: Carrier;
  readonly address: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly retryMs: number;
  readonly open: OpenCalls;
  /** Of every call. */
  readonly headers: Readonly<Record<string, string>>;
  readonly secure: boolean;
  /** Whether any call was ever answered. */
  answered: boolean;
}

const PLAIN_HINT = "; if it speaks TLS, the address begins with https:// and SHEAF_CA names its CA file";
const FETCH_HINT =
  ", that SHEAF_BROWSER_ORIGINS there names the origin of this page, and that the browser trusts its certificate";

export async function callUnary(
  desc: DescMethod,
  request: Fields,
  options: CallOptions,
  caller: PublicCaller,
): Promise<Message> {
  const method = desc as DescMethod & { methodKind: "unary" };
  const { clock, timeoutMs } = caller;
  const input = create(desc.input, request);
  const end = clock.now() + (options.timeoutMs ?? timeoutMs);
  const once = () =>
    guarded(options, caller, async (signal) => {
      const leftMs = whole(end - clock.now());
      const { message } = await caller.transport.unary(method, signal, leftMs, headersOf(options, caller), input);
      return message;
    });
  if (desc.idempotency !== MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS) return once();
  // A wait never ends after the deadline: the last error is more use than "too late".
  const deadlineMs = Math.min(caller.retryMs, end - clock.now());
  return retry(once, { transient: isTransient, deadlineMs, clock });
}

export async function* callDownload(
  desc: DescMethod,
  request: Fields,
  options: CallOptions,
  caller: PublicCaller,
): AsyncGenerator<Message, void, void> {
  const method = desc as DescMethod & { methodKind: "server_streaming" };
  const off = new AbortController();
  const tracked = caller.open.track(() => off.abort(), options);
  try {
    const input = single(create(desc.input, request));
    const { message } = await caller.transport.stream(
      method,
      off.signal,
      whole(options.timeoutMs),
      headersOf(options, caller),
      input,
    );
    yield* message;
  } catch (error) {
    throw tracked.calledOff() ? calledOffError(options) : failure(error, caller);
  } finally {
    tracked.forget();
    off.abort(); // a caller that breaks out of its loop wants no more
  }
}

export async function callUpload(
  desc: DescMethod,
  requests: AsyncIterable<Fields>,
  options: CallOptions,
  caller: PublicCaller,
): Promise<Message> {
  const method = desc as DescMethod & { methodKind: "client_streaming" };
  const source = watched(requests, desc.input);
  return guarded(options, caller, async (signal, cancel) => {
    source.failed.then(cancel, () => {}); // half an upload must never look like a whole one
    try {
      const { transport } = caller;
      const { message } = await transport.stream(
        method,
        signal,
        whole(options.timeoutMs),
        headersOf(options, caller),
        source.messages,
      );
      for await (const answer of message) return answer;
    } catch (error) {
      throw source.error() ?? error;
    }
    throw internal("NO_ANSWER", `${caller.address} ended ${desc.name} without an answer`);
  });
}

/** Runs a call that the caller, or the end of the connection, can call off. */
async function guarded(
  options: CallOptions,
  caller: PublicCaller,
  fn: (signal: AbortSignal, cancel: () => void) => Promise<Message>,
): Promise<Message> {
  const off = new AbortController();
  const cancel = () => off.abort();
  const tracked = caller.open.track(cancel, options);
  try {
    const answer = await fn(off.signal, cancel);
    caller.answered = true;
    return answer;
  } catch (error) {
    if (tracked.calledOff()) throw calledOffError(options);
    throw error instanceof SourceError ? error.cause : failure(error, caller);
  } finally {
    tracked.forget();
  }
}

function failure(thrown: unknown, { address, carrier, secure, answered }: PublicCaller): SheafError {
  if (carrier === "fetch" && thrown instanceof ConnectError && isBrokenFetch(thrown)) {
    return unreachable(address, thrown.rawMessage, thrown, answered ? "" : FETCH_HINT);
  }
  // A port that speaks TLS only hangs up on plain text. One that has answered speaks plain text.
  const isPlain = carrier === "http2" && !secure && !answered;
  return fromConnectError(thrown, address, isPlain ? PLAIN_HINT : "");
}

function headersOf({ headers }: CallOptions, caller: PublicCaller) {
  return { ...caller.headers, ...headers };
}

/** Whether the server was not reached, or is going away. */
function isTransient(error: unknown): boolean {
  return error instanceof SheafError && error.code === "UNAVAILABLE" && error.reason !== "TLS_FAILED";
}

/** Connect writes a timeout as it is, and servers refuse fractions. */
function whole(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.max(1, Math.ceil(ms));
}

/** An error of the caller's own iterable, to tell it from one of the call. */
class SourceError extends Error {}

interface Source {
  readonly messages: AsyncIterable<Message>;
  /** Resolves when the iterable threw. */
  readonly failed: Promise<void>;
  readonly error: () => SourceError | undefined;
}

function watched(requests: AsyncIterable<Fields>, desc: DescMessage): Source {
  const failed = Promise.withResolvers<void>();
  let error: SourceError | undefined;
  const iterator = requests[Symbol.asyncIterator]();
  const next = async (): Promise<Message | undefined> => {
    try {
      const { done, value } = await iterator.next();
      return done === true ? undefined : create(desc, value);
    } catch (cause) {
      error = new SourceError("the source of an upload failed", { cause });
      failed.resolve();
      throw error;
    }
  };
  // What connect throws in here while a message is being sent is the server's answer, and no fault of the source.
  async function* messages(): AsyncGenerator<Message, void, void> {
    try {
      for (let message = await next(); message !== undefined; message = await next()) yield message;
    } finally {
      if (error === undefined) await iterator.return?.();
    }
  }
  return { messages: messages(), failed: failed.promise, error: () => error };
}

async function* single(message: Message): AsyncGenerator<Message, void, void> {
  yield message;
}
