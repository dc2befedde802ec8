/**
 * The log: pino, JSON lines on standard error (standard output belongs to what users asked for), or one
 * readable line each when standard error is a terminal. No transport threads: a line is written before
 * the call returns, so that the last words of a dying process are not lost.
 */
import { type DestinationStream, type Logger as PinoLogger, pino } from "pino";
import { invalidArgument, SheafError } from "./errors.ts";
import { readableLine } from "./log-text.ts";
import { didYouMean } from "./nearest.ts";

export type Logger = PinoLogger;

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];
const FORMATS = ["json", "text"];

/** Field names whose values are never written, at the top of a line or one level below. */
const SECRET_FIELDS = [
  "token",
  "password",
  "secret",
  "secretKey",
  "secretAccessKey",
  "accessKey",
  "sessionToken",
  "authorization",
  "cookie",
  "credentials",
  "privateKey",
];

export interface LogOptions {
  /** Which part speaks: `master`, `worker`. */
  readonly component: string;
  /** `SHEAF_LOG_LEVEL` (default info) and `SHEAF_LOG_FORMAT` (`json`, `text`; default text on a terminal). */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Default: standard error. */
  readonly destination?: DestinationStream;
  /** Whether the destination is a terminal. Default: whether standard error is. */
  readonly isTerminal?: boolean;
}

/** Throws INVALID_ARGUMENT for a level or a format that does not exist. */
export function createLogger(options: LogOptions): Logger {
  const { component, env, isTerminal = process.stderr.isTTY === true } = options;
  const level = oneOf("SHEAF_LOG_LEVEL", env.SHEAF_LOG_LEVEL || "info", LEVELS);
  const format = oneOf("SHEAF_LOG_FORMAT", env.SHEAF_LOG_FORMAT || (isTerminal ? "text" : "json"), FORMATS);
  const out = options.destination ?? standardError();
  const destination = format === "text" ? { write: (line: string) => out.write(readableLine(line)) } : out;
  return pino(
    {
      level,
      base: { component },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError, error: describeError },
      redact: {
        paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]),
        censor: "[redacted]",
      },
    },
    destination,
  );
}

/** Standard error may be a pipe whose reader has died: losing the log is better than dying of it. */
function standardError(): DestinationStream {
  const destination = pino.destination({ fd: 2, sync: true });
  destination.on("error", () => {});
  return destination;
}

/** A log that says nothing. */
export function testLogger(): Logger {
  return pino({ level: "silent" });
}

/** An expected error is its code, reason and message; one that nobody expected brings its stack. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) };
  if (error instanceof SheafError && error.code !== "INTERNAL") {
    const { code, reason, message, metadata } = error;
    return {
      code,
      reason,
      message,
      ...(Object.keys(metadata).length > 0 && { metadata }),
      ...cause,
    };
  }
  return { type: error.name, message: error.message, stack: error.stack, ...cause };
}

function oneOf(name: string, value: string, allowed: readonly string[]): string {
  if (allowed.includes(value)) return value;
  throw invalidArgument(
    "SETTING_INVALID",
    `${name} is "${value}"${didYouMean(value, allowed)}: use one of ${allowed.join(", ")}`,
    { details: [{ field: name, description: `not one of ${allowed.join(", ")}` }] },
  );
}
