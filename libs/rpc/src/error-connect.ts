/** The error door on the side of connect. */
import { Code, ConnectError } from "@connectrpc/connect";
import { deadlineExceeded, resourceExhausted, SheafError } from "@sheaf/runtime";
import { codeNumber, isOurs, packDetails, unpackError, type WireDetail, wireMessage } from "./error-details.ts";
import { unreadable } from "./request-faults.ts";
import { unreachable } from "./unreachable.ts";

/** What connect puts on the wire for this error, in whichever of its protocols. */
export function toConnectError(error: SheafError): ConnectError {
  const details = packDetails(error).map(({ desc, value }) => ({ desc, value }));
  return new ConnectError(wireMessage(error), codeNumber(error.code), undefined, details, error.cause);
}

/** What connect raises while it reads a request (too big, broken off), as ours. Undefined: it did not raise this. */
export function fromRequestError(thrown: unknown): SheafError | undefined {
  if (!(thrown instanceof ConnectError)) return undefined;
  const { code, reason } = unreadable(thrown);
  return new SheafError(code, reason, thrown.rawMessage, { cause: thrown.cause });
}

/** The error of a call. What broke on the way is UNAVAILABLE and names the address. */
export function fromConnectError(thrown: unknown, address: string): SheafError {
  const error = ConnectError.from(thrown);
  const details = wireDetails(error);
  if (!isOurs(details) && isCut(error)) {
    return resourceExhausted("NOT_READ", `${address} ended the call: its answers were not read`, { cause: error });
  }
  if (!isOurs(details) && isBroken(error)) return unreachable(address, describe(error), error);
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
  if (error.code === Code.Aborted || error.code === Code.Canceled) return true;
  return error.code === Code.Internal && /http\/2|HTTP2|missing|protocol error|premature/i.test(describe(error));
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
