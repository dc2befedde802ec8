/** A SheafError as the messages of google.rpc, and back. The only file that knows their fields. */
import { create, type DescMessage, fromBinary, type Message, type MessageShape } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { googleRpc } from "@sheaf/proto";
import { type ErrorCode, type FieldViolation, SheafError } from "@sheaf/runtime";

const DOMAIN = "sheaf";

/** Errors travel in HTTP trailers, and some clients refuse more than 8 KiB of them. */
const LIMITS = { messageChars: 2_000, violations: 20, textChars: 300, metadata: 20 } as const;

/** By number: those of gRPC. */
const CODES: readonly ErrorCode[] = [
  "UNKNOWN", // 0 is OK: an error with that code is broken
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];

export interface PackedDetail {
  readonly desc: DescMessage;
  readonly value: Message;
}

/** A detail as it came over the wire. */
export interface WireDetail {
  /** "google.rpc.ErrorInfo". */
  readonly type: string;
  readonly value: Uint8Array;
}

/** Of a number that came over the wire. */
export function codeName(code: number): ErrorCode {
  return CODES[code] ?? "UNKNOWN";
}

export function codeNumber(code: ErrorCode): number {
  return CODES.lastIndexOf(code);
}

export function wireMessage(error: SheafError): string {
  return shortened(error.message, LIMITS.messageChars);
}

export function packDetails(error: SheafError): PackedDetail[] {
  const packed: PackedDetail[] = [{ desc: googleRpc.ErrorInfoSchema, value: errorInfo(error) }];
  if (error.details.length > 0) {
    const fieldViolations = error.details.slice(0, LIMITS.violations).map(shortViolation);
    packed.push({
      desc: googleRpc.BadRequestSchema,
      value: create(googleRpc.BadRequestSchema, { fieldViolations }),
    });
  }
  if (error.retryDelayMs !== undefined) {
    const retryDelay = durationFromMs(error.retryDelayMs);
    packed.push({
      desc: googleRpc.RetryInfoSchema,
      value: create(googleRpc.RetryInfoSchema, { retryDelay }),
    });
  }
  return packed;
}

/** Whether the error was made by a service of Sheaf, and not by something on the way to it. */
export function isOurs(details: readonly WireDetail[]): boolean {
  return details.some(({ type }) => type === googleRpc.ErrorInfoSchema.typeName);
}

/** Details that do not parse, or that nobody knows, are passed over: the code and the message stand. */
export function unpackError(
  code: number,
  message: string,
  details: readonly WireDetail[],
  cause?: unknown,
): SheafError {
  const name = codeName(code);
  const info = firstOf(googleRpc.ErrorInfoSchema, details);
  const bad = firstOf(googleRpc.BadRequestSchema, details);
  const delay = firstOf(googleRpc.RetryInfoSchema, details)?.retryDelay;
  return new SheafError(name, info?.reason || name, message, {
    details: bad?.fieldViolations.map(({ field, description }) => ({ field, description })) ?? [],
    metadata: info?.metadata ?? {},
    ...(delay === undefined ? {} : { retryDelayMs: durationMs(delay) }),
    ...(cause === undefined ? {} : { cause }),
  });
}

function errorInfo(error: SheafError) {
  const entries = Object.entries(error.metadata).slice(0, LIMITS.metadata);
  const metadata = Object.fromEntries(entries.map(([name, value]) => [name, shortened(value, LIMITS.textChars)]));
  return create(googleRpc.ErrorInfoSchema, { reason: error.reason, domain: DOMAIN, metadata });
}

function shortViolation({ field, description }: FieldViolation): FieldViolation {
  return {
    field: shortened(field, LIMITS.textChars),
    description: shortened(description, LIMITS.textChars),
  };
}

function firstOf<D extends DescMessage>(desc: D, details: readonly WireDetail[]): MessageShape<D> | undefined {
  const detail = details.find(({ type }) => type === desc.typeName);
  if (detail === undefined) return undefined;
  try {
    return fromBinary(desc, detail.value);
  } catch {
    return undefined;
  }
}

function shortened(text: string, chars: number): string {
  return text.length <= chars ? text : `${text.slice(0, chars - 1)}…`;
}
