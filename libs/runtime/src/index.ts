/** @sheaf/runtime: what every process of Sheaf needs before it does anything of its own. */

export type { Backoff, BackoffOptions, RetryOptions } from "./backoff.ts";
export { backoff, orAborted, retry } from "./backoff.ts";
export type { Clock, Timer } from "./clock.ts";
export { cancellable, sleepOn, systemClock } from "./clock.ts";
export { keepCompiled } from "./compiled.ts";
export type { Definitions, Environment, Setting, SettingsOf } from "./config.ts";
export { defineSettings, readSettings, wantsHelp } from "./config.ts";
export type { ErrorCode, ErrorOptions, FieldViolation } from "./errors.ts";
export {
  aborted,
  alreadyExists,
  cancelled,
  dataLoss,
  deadlineExceeded,
  failedPrecondition,
  failsForGood,
  internal,
  invalidArgument,
  messageOf,
  notFound,
  outOfRange,
  permissionDenied,
  resourceExhausted,
  SheafError,
  toSheafError,
  unauthenticated,
  unavailable,
  unimplemented,
} from "./errors.ts";
export type { Program } from "./help.ts";
export { helpText } from "./help.ts";
export { isId, newId } from "./id.ts";
export type { KeptFilesOptions } from "./kept-files.ts";
export { KeptFiles } from "./kept-files.ts";
export { stressLifecycle } from "./lifecycle.suite.ts";
export type { Component } from "./lifecycle.ts";
export { Lifecycle } from "./lifecycle.ts";
export type { Logger, LogOptions } from "./log.ts";
export { createLogger, testLogger } from "./log.ts";
export type { ManualClock } from "./manual-clock.ts";
export { manualClock } from "./manual-clock.ts";
export { NAME, NAME_FORM } from "./name.ts";
export { didYouMean, editDistance, nearest } from "./nearest.ts";
export type { QueueOptions, Taken } from "./queue.ts";
export { BoundedQueue } from "./queue.ts";
export type { Random } from "./random.ts";
export { seededRandom, systemRandom } from "./random.ts";
export { Secret } from "./secret.ts";
export type { Permit } from "./semaphore.ts";
export { Semaphore } from "./semaphore.ts";
export type { ProcessHost, ServiceContext, ServiceSpec } from "./service.ts";
export { exitCodeOf, runService } from "./service.ts";
export type { Address, Parsed } from "./setting-types.ts";
export {
  formatAddress,
  isLoopback,
  parseAddress,
  parseBytes,
  parseDuration,
} from "./setting-types.ts";
export { Signal } from "./signal.ts";
export { VERSION } from "./version.ts";
export { refuseWildcard } from "./wildcard.ts";
