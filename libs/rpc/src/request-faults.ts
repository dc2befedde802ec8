/**
 * What connect refuses before a handler sees it, because the request cannot be read, says in every protocol what our own errors say: a
 * reason, and the field where one is at fault. Connect ends a call's context with the very error that it is about to write down; there
 * it is completed.
 */
import type { JsonValue } from "@bufbuild/protobuf";
import { ConnectError, createContextKey, type HandlerContext } from "@connectrpc/connect";
import { type ErrorCode, invalidArgument, SheafError } from "@sheaf/runtime";
import { codeName, codeNumber, packDetails, wireMessage } from "./error-details.ts";
import { jsonFault } from "./json-fault.ts";

/** The body of a request in JSON, as far as it came. */
export const JSON_BODY = createContextKey<Uint8Array[] | undefined>(undefined);

/** Refuses bytes that are no UTF-8, which would come in as other letters. */
export class StrictUtf8 extends TextDecoder {
  constructor() {
    super("utf-8", { fatal: true });
  }

  override decode(bytes?: Uint8Array): string {
    try {
      return super.decode(bytes);
    } catch (cause) {
      throw new Error("the body is not UTF-8: send JSON in that encoding", { cause });
    }
  }
}

/** Larger requests are refused without the field: looking for it would take longer than the caller deserves. */
const LOOKED_INTO_BYTES = 256 * 1024;

const REASONS: Readonly<Partial<Record<ErrorCode, string>>> = {
  INVALID_ARGUMENT: "REQUEST_UNREADABLE",
  RESOURCE_EXHAUSTED: "MESSAGE_TOO_LARGE",
  UNIMPLEMENTED: "REQUEST_UNSUPPORTED",
};

/** What connect says of a request that it could not read, in our words. */
function unreadable({ code, rawMessage }: ConnectError): { readonly code: ErrorCode; readonly reason: string } {
  // Connect takes bytes that are no message for a fault of its own.
  const ours = rawMessage.startsWith("parse binary: ") ? "INVALID_ARGUMENT" : codeName(code);
  return { code: ours, reason: REASONS[ours] ?? ours };
}

/** What connect raises while it reads a request (too big, broken off), as ours. Undefined: it did not raise this. */
export function fromRequestError(thrown: unknown): SheafError | undefined {
  if (!(thrown instanceof ConnectError)) return undefined;
  const { code, reason } = unreadable(thrown);
  return new SheafError(code, reason, thrown.rawMessage, { cause: thrown.cause });
}

/** A gate of connect's: called with each call, before its body is read. */
export function completeFaults(context: HandlerContext): void {
  context.signal.addEventListener("abort", () => {
    const error: unknown = context.signal.reason;
    if (!(error instanceof ConnectError) || error.details.length > 0) return;
    const named = fault(error, context);
    Object.assign(error, { code: codeNumber(named.code), rawMessage: wireMessage(named) });
    error.details.push(...packDetails(named).map(({ desc, value }) => ({ desc, value })));
  });
}

function fault(error: ConnectError, context: HandlerContext): SheafError {
  const { code, reason } = unreadable(error);
  // Connect quotes the caller's own text, whose length is the caller's.
  const message = error.rawMessage;
  const field = code === "INVALID_ARGUMENT" ? faultyField(context) : undefined;
  if (field === undefined) return new SheafError(code, reason, message);
  const description = message.replace(/^cannot decode \S+ \S+ from JSON: /, "");
  return invalidArgument(reason, message, { details: [{ field, description }] });
}

function faultyField({ method, values }: HandlerContext): string | undefined {
  const body = values.get(JSON_BODY);
  if (body === undefined || body.reduce((sum, { length }) => sum + length, 0) > LOOKED_INTO_BYTES) return undefined;
  try {
    return jsonFault(method.input, JSON.parse(Buffer.concat(body).toString()) as JsonValue);
  } catch {
    return undefined; // it is no JSON at all
  }
}
