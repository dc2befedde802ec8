/** @sheaf/runtime in a browser: what a caller of the public API needs of it. All of it runs anywhere, and index.ts has it as well. */

export type { Backoff, BackoffOptions, RetryOptions } from "./backoff.ts";
export { backoff, orAborted, retry } from "./backoff.ts";
export type { Clock, Timer } from "./clock.ts";
export { systemClock } from "./clock.ts";
export type { ErrorCode, ErrorOptions, FieldViolation } from "./errors.ts";
export {
  cancelled,
  dataLoss,
  deadlineExceeded,
  internal,
  invalidArgument,
  messageOf,
  resourceExhausted,
  SheafError,
  unavailable,
  unimplemented,
} from "./errors.ts";
export { newId } from "./id.ts";
export { didYouMean } from "./nearest.ts";
export type { Random } from "./random.ts";
export { systemRandom } from "./random.ts";
export { Secret } from "./secret.ts";
export { isLoopback, parseDuration } from "./setting-types.ts";
