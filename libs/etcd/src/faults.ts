/**
 * What an error of the etcd3 client means to us. etcd3 drops the numeric status code, but its message
 * still begins with it: `14 UNAVAILABLE: etcdserver: request timed out`.
 */
import {
  cancelled,
  dataLoss,
  invalidArgument,
  messageOf,
  outOfRange,
  permissionDenied,
  resourceExhausted,
  type SheafError,
  unauthenticated,
  unavailable,
} from "@sheaf/runtime";
import type { TxnOutcome } from "./etcd.ts";

const CODE = {
  cancelled: 1,
  invalidArgument: 3,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unimplemented: 12,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

/** Asking again cannot change these answers. Everything else may be the network, a failover or a restart. */
const FINAL_FOR_READS: ReadonlySet<number> = new Set([
  CODE.invalidArgument,
  CODE.notFound,
  CODE.permissionDenied,
  CODE.failedPrecondition,
  CODE.outOfRange,
  CODE.unimplemented,
  CODE.dataLoss,
  CODE.unauthenticated,
]);

/** The gRPC status number, undefined when the error does not come from a call. */
export function statusCodeOf(error: unknown): number | undefined {
  const match = /^(\d{1,2}) [A-Z_]+:/.exec(messageOf(error));
  return match === null ? undefined : Number(match[1]);
}

/** A member said so itself: it is there, and so is the connection to it. */
export function cameFromEtcd(error: unknown): boolean {
  return messageOf(error).includes("etcdserver:");
}

/** Whether a call that is harmless to repeat may be repeated. */
export function isTransient(error: unknown): boolean {
  const code = statusCodeOf(error);
  // A person must make room first.
  return code !== undefined && !FINAL_FOR_READS.has(code) && !isOutOfSpace(error);
}

/** What etcd says while it refuses all that would make it grow (NOSPACE). */
export function isOutOfSpace(error: unknown): boolean {
  return messageOf(error).includes("database space exceeded");
}

/** What a person has to do then. */
export const MAKE_SPACE = "compact, defragment, then disarm its NOSPACE alarm";

export function isLeaseNotFound(error: unknown): boolean {
  return messageOf(error).includes("requested lease not found");
}

/**
 * The outcome of a transaction that came back with an error. Only what etcd refuses before it proposes or
 * while it applies is definite; NOSPACE is not among it: such a transaction can have been applied.
 */
export function outcomeOfError(error: unknown): TxnOutcome {
  const message = messageOf(error);
  if (isLeaseNotFound(error)) return { kind: "lease-not-found" };
  const code = statusCodeOf(error);
  if (code === CODE.invalidArgument || code === CODE.permissionDenied) return { kind: "invalid", message };
  if (code === CODE.resourceExhausted && message.includes("larger than max")) return { kind: "invalid", message };
  return { kind: "unknown", cause: message };
}

/** The error that a caller sees when a read (or another repeatable call) failed for good. */
export function readError(error: unknown, what: string, addresses: readonly string[], triedMs: number): SheafError {
  const message = plain(messageOf(error));
  const options = { cause: error, metadata: { addresses: addresses.join(","), operation: what } };
  switch (statusCodeOf(error)) {
    case CODE.invalidArgument:
      return invalidArgument("ETCD_REFUSED", `etcd refused to ${what}: ${message}`, options);
    case CODE.permissionDenied:
      return permissionDenied("ETCD_PERMISSION", `etcd does not permit to ${what}: ${message}`, options);
    case CODE.unauthenticated:
      return unauthenticated("ETCD_UNAUTHENTICATED", `etcd does not know who we are (${what}): ${message}`, options);
    case CODE.outOfRange:
      return outOfRange("REVISION_GONE", `cannot ${what}: that revision is not in etcd's history: ${message}`, options);
    case CODE.dataLoss:
      return dataLoss(
        "ETCD_CORRUPT",
        `etcd reports corrupt data (${what}): a person must look at it: ${message}`,
        options,
      );
    default:
  }
  if (isOutOfSpace(error)) {
    return resourceExhausted("ETCD_NO_SPACE", `etcd has no space left (${what}): ${MAKE_SPACE}`, options);
  }
  const tried = `tried for ${(triedMs / 1_000).toFixed(1)} s`;
  return unavailable(
    "ETCD_UNREACHABLE",
    `cannot reach etcd at ${addresses.join(", ")} (${what}, ${tried}): ${message}; check that it runs there and the address`,
    options,
  );
}

/** gRPC wraps the one thing that helps, `connect ECONNREFUSED 127.0.0.1:2379`, in words that do not. */
export function plain(message: string): string {
  return message
    .replace(/^14 UNAVAILABLE: No connection established\. Last error: (Error: )?/, "")
    .replace(/\.? Resolution note:.*$/, "");
}

export function closedError(what: string): SheafError {
  return cancelled("ETCD_CLOSED", `cannot ${what}: this etcd client was closed`);
}
