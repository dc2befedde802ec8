/** What an error of an S3 server, of the network, or of the SDK means for a store, and what its owner can do about it. */
import {
  dataLoss,
  type ErrorOptions,
  failedPrecondition,
  invalidArgument,
  messageOf,
  notFound,
  permissionDenied,
  resourceExhausted,
  SheafError,
  toSheafError,
  unauthenticated,
  unavailable,
  unimplemented,
} from "@sheaf/runtime";
import { placeOf, type S3Address } from "./s3-address.ts";

/** As much as the SDK says of what went wrong. */
interface Said {
  /** S3's error code, or the name of an exception: `NoSuchBucket`, `TimeoutError`. */
  readonly name: string;
  readonly message: string;
  readonly status: number | undefined;
  /** Of the system: `ECONNREFUSED`. */
  readonly errno: string | undefined;
  /** An answer came and made no sense. */
  readonly garbled: boolean;
  /** The answer is a page for people. */
  readonly page: boolean;
  readonly region: string | undefined;
}

/** Whose words were not believed. Never the secret. */
export interface Identity {
  readonly keyId: string;
  /** `the environment (AWS_ACCESS_KEY_ID)`. */
  readonly from: string;
}

const DENIED = new Set([
  ...["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccountProblem", "AllAccessDisabled"],
  ...["ExpiredToken", "InvalidToken", "TokenRefreshRequired", "NotSignedUp", "UnauthorizedAccess"],
  "XAdminUserNotFound", // versitygw, of a key that it does not know
]);
const WRONG_REGION = new Set([
  "PermanentRedirect",
  "AuthorizationHeaderMalformed",
  "IllegalLocationConstraintException",
]);
const FULL = new Set(["QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "XMinioStorageQuotaExceeded"]);
/** Answers below 500 that another try may not get. */
const PASSING = new Set([
  ...["RequestTimeout", "RequestTimeTooSkewed", "SlowDown", "TooManyRequests", "Throttling", "InternalError"],
  ...["ServiceUnavailable", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch", "TimeoutError"],
  ...["ConditionalRequestConflict", "OperationAborted"],
]);

/** What Node says of a certificate: SELF_SIGNED_CERT_IN_CHAIN, UNABLE_TO_VERIFY_LEAF_SIGNATURE. */
const NOT_TRUSTED = /^(?:SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_(?:GET|VERIFY)_|CERT_SIGNATURE_FAILURE$|CERT_UNTRUSTED$)/;

const CUT_OFF = new Set(["ECONNRESET", "EPIPE"]);

/** Turns what was thrown into the SheafError of the seam. `doing` completes "cannot ...". */
export function s3Failure(thrown: unknown, address: S3Address, doing: string, who?: Identity): SheafError {
  if (thrown instanceof SheafError) return thrown;
  const said = whatIsSaid(thrown);
  const { name, status, errno } = said;
  const at = placeOf(address);
  const answer = `${[status, name].filter(Boolean).join(" ")}: ${said.message}`;
  const options: ErrorOptions = {
    cause: thrown,
    metadata: {
      bucket: address.bucket,
      error: name,
      ...(status && { status: String(status) }),
      ...(errno && { errno }),
    },
  };
  if (name === "CredentialsProviderError")
    return unauthenticated(
      "STORE_ACCESS_DENIED",
      `no credentials for ${at} (${said.message}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE`,
      options,
    );
  if (name === "NoSuchBucket")
    return notFound(
      "STORE_NOT_FOUND",
      `cannot ${doing}: ${at}: there is no bucket "${address.bucket}"; create it, or correct SHEAF_STORE`,
      options,
    );
  if (errno === "ERR_INVALID_CHAR")
    return unauthenticated(
      "STORE_ACCESS_DENIED",
      `the access key or the token for ${at} holds a character that cannot be sent, like a line break: give it without`,
      options,
    );
  if (said.page && status !== undefined && status < 500) return noS3Server(address, doing, options);
  if (/region is missing/i.test(said.message))
    return invalidArgument(
      "STORE_URL",
      `${at}: which region? Give region=... in the address, or set AWS_REGION`,
      options,
    );
  if (WRONG_REGION.has(name) || status === 301 || status === 307)
    return invalidArgument(
      "STORE_URL",
      `cannot ${doing}: ${at}: the bucket is in another region${said.region ? ` (${said.region})` : ""}: give it as region=... in the address (${answer})`,
      options,
    );
  if (FULL.has(name) || status === 507)
    return resourceExhausted("STORE_FULL", `${at} is full: cannot ${doing} (${answer}); free space there`, options);
  if (status === undefined && errno !== undefined) {
    const noTls = errno === "EPROTO" ? "; if it does not speak https, give http:// in the address" : "";
    const hint = NOT_TRUSTED.test(errno) ? notTrusted(address) : noTls;
    return unavailable("STORE_UNAVAILABLE", `cannot ${doing}: no connection to ${at} (${errno})${hint}`, options);
  }
  if (PASSING.has(name) || said.garbled || (status !== undefined && (status >= 500 || status === 429))) {
    if (status === 501)
      return unimplemented("STORE_KIND", `cannot ${doing}: the server of ${at} does not know how (${answer})`, options);
    if (name === "RequestTimeTooSkewed")
      return unavailable(
        "STORE_UNAVAILABLE",
        `cannot ${doing}: the clock of this machine and that of ${at} differ too much: set the one that is wrong (${answer})`,
        options,
      );
    return unavailable("STORE_UNAVAILABLE", `cannot ${doing}: ${at} does not work now (${answer})`, options);
  }
  if (DENIED.has(name) || status === 401 || status === 403)
    return permissionDenied(
      "STORE_ACCESS_DENIED",
      `cannot ${doing}: ${at} refuses ${who ? `the access key ${who.keyId} from ${who.from}` : "these credentials"} (${answer}); see to the key and its rights`,
      options,
    );
  if (status !== undefined)
    return failedPrecondition("STORE_REFUSED", `cannot ${doing}: ${at} refuses it (${answer})`, options);
  return toSheafError(thrown); // a bug
}

/**
 * Another port of the server, a proxy's page, a sign-in: it may say that all is well to whatever is asked, and keeps nothing. It
 * may also be there for a while only, before a server that is away.
 */
export function noS3Server(address: S3Address, doing: string, options: ErrorOptions = {}): SheafError {
  const text = `cannot ${doing}: what answers for ${placeOf(address)} is no S3 server: see to the endpoint, host and port`;
  return unavailable("STORE_UNAVAILABLE", text, options);
}

function notTrusted({ ca }: S3Address): string {
  if (ca !== undefined) return `: its certificate is from no authority in ${ca}; put that of this server there`;
  return ": its certificate is from no authority that is trusted here; give that authority's file as ca=... in the address";
}

/** Whether the server ended the connection before it had taken all of the request, perhaps because it had answered already. */
export function wasCutOff(failure: unknown): boolean {
  return failure instanceof SheafError && CUT_OFF.has(failure.metadata["errno"] ?? "");
}

/** No such object, where one must be. */
export function objectMissing(address: S3Address, key: string): SheafError {
  return dataLoss("OBJECT_MISSING", `the object ${key} is not in ${placeOf(address)}`, {
    metadata: { bucket: address.bucket, key },
  });
}

/** S3's code of the error that the SDK threw: `NoSuchKey`, `PreconditionFailed`. */
export function s3Code(thrown: unknown): string {
  return thrown instanceof Error ? thrown.name : "";
}

/** The SDK has no type for all that it may throw. */
function whatIsSaid(thrown: unknown): Said {
  const error = (typeof thrown === "object" && thrown !== null ? thrown : {}) as Partial<Record<string, unknown>>;
  const metadata = error["$metadata"] as { httpStatusCode?: number } | undefined;
  const response = error["$response"] as { headers?: Partial<Record<string, string>> } | undefined;
  const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);
  const name = text(error["name"]) ?? "";
  return {
    // An answer without a body, or with one that is no XML, has no code.
    name: name === "Error" || name === "Unknown" || name === "UnknownError" || name === "SyntaxError" ? "" : name,
    message: messageOf(thrown).slice(0, 300),
    status: metadata?.httpStatusCode,
    errno: text(error["code"]) ?? text((error["cause"] as { code?: unknown } | undefined)?.code),
    garbled: "$response" in error && !(metadata?.httpStatusCode !== undefined && metadata.httpStatusCode >= 300),
    page: /html/i.test(response?.headers?.["content-type"] ?? ""),
    region: text(error["Region"]),
  };
}
