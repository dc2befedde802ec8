/** The error door on the side of connect. */
import { Code, ConnectError } from "@connectrpc/connect";
import { deadlineExceeded, resourceExhausted, type SheafError } from "@sheaf/runtime";
import { codeNumber, isOurs, packDetails, unpackError, type WireDetail, wireMessage } from "./error-details.ts";
import { isTlsTrouble, unreachable } from "./unreachable.ts";

/** What connect puts on the wire for this error, in whichever of its protocols. */
export function toConnectError(error: SheafError): ConnectError {
  const details = packDetails(error).map(({ desc, value }) => ({ desc, value }));
  return new ConnectError(wireMessage(error), codeNumber(error.code), undefined, details, error.cause);
}

/** The error of a call. What broke on the way is UNAVAILABLE and names the address; `hint`: what else to say then. */
export function fromConnectError(thrown: unknown, address: string, hint = ""): SheafError {
  const error = ConnectError.from(thrown);
  const details = wireDetails(error);
  if (!isOurs(details) && isCut(error)) {
    return resourceExhausted("NOT_READ", `${address} ended the call: its answers were not read`, { cause: error });
  }
  if (!isOurs(details) && isBroken(error)) return unreachable(address, describe(error), error, hint);
  if (!error.isWireError && error.code === Code.DeadlineExceeded) {
    return deadlineExceeded("DEADLINE_EXCEEDED", `no answer from ${address} in the time given for the call`);
  }
  return unpackError(error.code, error.rawMessage, details, error);
}

/**
 * Whether the connection failed, and not the call. Connect reports a reset as ABORTED, a killed server as CANCELED or as
 * INTERNAL with trailers missing.
 */
function isBroken(error: ConnectError): boolean {
  if (error.code === Code.Unavailable) return true;
  if (error.isWireError) return false;
  if (isTlsTrouble(describe(error))) return true;
  if (error.code === Code.Aborted || error.code === Code.Canceled) return true;
  return error.code === Code.Internal && /http\/2|HTTP2|missing|protocol error|premature/i.test(describe(error));
}

/**
 * The same of a call that was made with fetch. A TypeError is all that it tells of a connection that failed or broke, and of an origin that
 * was refused; an answer that a proxy ended early lacks its end.
 */
export function isBrokenFetch({ isWireError, cause, rawMessage }: ConnectError): boolean {
  if (isWireError) return false;
  return (
    cause instanceof TypeError || /^(missing (message|trailer)|protocol error: incomplete envelope)/.test(rawMessage)
  );
}

/** What CallContext.cut does to a stream. */
function isCut(error: ConnectError): boolean {
  return /stream closed with error code (NGHTTP2_)?ENHANCE_YOUR_CALM/i.test(describe(error));
}

function describe(error: ConnectError): string {
  const { cause } = error;
  // Node tries IPv6 and IPv4 and reports both in an AggregateError whose message is empty and whose code is not.
  const code = cause instanceof Error && "code" in cause ? ` ${String(cause.code)}` : "";
  return `${error.rawMessage}${code}`.trim() || "the connection failed";
}

function wireDetails(error: ConnectError): WireDetail[] {
  return error.details.flatMap((detail) => ("type" in detail ? [{ type: detail.type, value: detail.value }] : []));
}
