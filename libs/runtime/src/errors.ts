/**
 * The one error type of Sheaf. It is used for bugs and at the edges (a command line, an RPC, an
 * outside system that cannot be reached); expected outcomes inside the system are closed unions.
 *
 * `message` is for people: what failed, with which value, what to do next. `reason` is for programs
 * and never changes its spelling. `cause` is for logs only and never leaves the process.
 */

/** The codes of gRPC, less OK. */
export type ErrorCode =
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";

/** One thing that is wrong with one field of a request, a file or a command line. */
export interface FieldViolation {
  /** Path of the field, as its author wrote it: `input.pfs.glob`, `--port`. */
  readonly field: string;
  readonly description: string;
}

export interface ErrorOptions {
  readonly details?: readonly FieldViolation[];
  /** How long a client should wait before it tries again, in milliseconds. */
  readonly retryDelayMs?: number;
  /** Values for programs: names, ids, limits. Never secrets. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

export class SheafError extends Error {
  override readonly name = "SheafError";
  readonly code: ErrorCode;
  /** SCREAMING_SNAKE_CASE, stable. */
  readonly reason: string;
  readonly details: readonly FieldViolation[];
  readonly retryDelayMs: number | undefined;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, reason: string, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.reason = reason;
    this.details = options.details ?? [];
    this.retryDelayMs = options.retryDelayMs;
    this.metadata = options.metadata ?? {};
  }
}

type Make = (reason: string, message: string, options?: ErrorOptions) => SheafError;
const maker =
  (code: ErrorCode): Make =>
  (reason, message, options) =>
    new SheafError(code, reason, message, options);

/** The caller gave something that can never work. Do not retry. */
export const invalidArgument = maker("INVALID_ARGUMENT");
/** What was named does not exist. */
export const notFound = maker("NOT_FOUND");
/** What should be created exists. */
export const alreadyExists = maker("ALREADY_EXISTS");
/** The request is well formed but the state does not allow it: change the state first. */
export const failedPrecondition = maker("FAILED_PRECONDITION");
/** Another writer was first: read again, then decide. */
export const aborted = maker("ABORTED");
/** A limit is reached: a quota, a disk, a queue. */
export const resourceExhausted = maker("RESOURCE_EXHAUSTED");
/** Somebody cannot be reached now: retry with backoff what may be retried. */
export const unavailable = maker("UNAVAILABLE");
/** Asked for something that Sheaf does not do (yet). */
export const unimplemented = maker("UNIMPLEMENTED");
/** A bug of Sheaf. */
export const internal = maker("INTERNAL");
/** Stored bytes are missing or are not what was stored. */
export const dataLoss = maker("DATA_LOSS");
/** The caller is known and may not do this. */
export const permissionDenied = maker("PERMISSION_DENIED");
/** The caller did not say who it is. */
export const unauthenticated = maker("UNAUTHENTICATED");
/** A position is beyond the end. */
export const outOfRange = maker("OUT_OF_RANGE");
/** The time given for it is over; whether it was done is not known. */
export const deadlineExceeded = maker("DEADLINE_EXCEEDED");
/** The caller, or a stop of this process, called it off. */
export const cancelled = maker("CANCELLED");

/** What the operating system's own error codes mean to a user; all else is a bug. */
const SYSTEM_ERRORS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOENT: ["NOT_FOUND", "FILE_NOT_FOUND"],
  EACCES: ["PERMISSION_DENIED", "FILE_ACCESS_DENIED"],
  EPERM: ["PERMISSION_DENIED", "FILE_ACCESS_DENIED"],
  EROFS: ["PERMISSION_DENIED", "FILE_SYSTEM_READ_ONLY"],
  ENOSPC: ["RESOURCE_EXHAUSTED", "DISK_FULL"],
  EDQUOT: ["RESOURCE_EXHAUSTED", "DISK_QUOTA_REACHED"],
  EMFILE: ["RESOURCE_EXHAUSTED", "TOO_MANY_OPEN_FILES"],
  ENFILE: ["RESOURCE_EXHAUSTED", "TOO_MANY_OPEN_FILES"],
  EADDRINUSE: ["FAILED_PRECONDITION", "PORT_IN_USE"],
  ECONNREFUSED: ["UNAVAILABLE", "CONNECTION_REFUSED"],
  ECONNRESET: ["UNAVAILABLE", "CONNECTION_LOST"],
  EPIPE: ["UNAVAILABLE", "CONNECTION_LOST"],
  ETIMEDOUT: ["UNAVAILABLE", "CONNECTION_TIMED_OUT"],
  ENOTFOUND: ["UNAVAILABLE", "HOST_NOT_FOUND"],
  EAI_AGAIN: ["UNAVAILABLE", "HOST_NOT_FOUND"],
};

/**
 * Any thrown value as a SheafError: itself, an abort as CANCELLED, a timeout as DEADLINE_EXCEEDED,
 * a system error by its code, anything else as INTERNAL with the thrown value as its cause.
 */
export function toSheafError(thrown: unknown): SheafError {
  if (thrown instanceof SheafError) return thrown;
  if (!(thrown instanceof Error)) {
    return internal("UNEXPECTED", `unexpected failure: ${String(thrown)}`, { cause: thrown });
  }
  const cause = thrown;
  if (thrown.name === "AbortError") return cancelled("CANCELLED", "called off", { cause });
  if (thrown.name === "TimeoutError") {
    return deadlineExceeded("DEADLINE_EXCEEDED", thrown.message, { cause });
  }
  const system = "code" in thrown && typeof thrown.code === "string" ? SYSTEM_ERRORS[thrown.code] : undefined;
  if (system !== undefined) return new SheafError(system[0], system[1], thrown.message, { cause });
  return internal("UNEXPECTED", `unexpected failure: ${thrown.message}`, { cause });
}

/** The message of any thrown value, in one line. */
export function messageOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text.replaceAll(/\s*\n\s*/g, " ").trim();
}

const FOR_GOOD_CODES: ReadonlySet<string> = new Set(["DATA_LOSS", "INVALID_ARGUMENT", "UNIMPLEMENTED"]);
const FOR_GOOD_REASONS: ReadonlySet<string> = new Set(["DATUM_TOO_LARGE"]);

/**
 * Whether work that failed with this fails with it anywhere and at any time: its input is damaged, wrong, or asks for what
 * this version cannot do. Such work ends as failed and says why; tried again it would go round for ever.
 */
export function failsForGood(thrown: unknown): thrown is SheafError {
  if (!(thrown instanceof SheafError)) return false;
  return FOR_GOOD_CODES.has(thrown.code) || FOR_GOOD_REASONS.has(thrown.reason);
}
