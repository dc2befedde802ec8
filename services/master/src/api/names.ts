// What names look like at the edge of the API. Each check adds to the violations and lets the others go on.

import { isId, NAME, NAME_FORM } from "@sheaf/runtime";
import { DESCRIPTION_BYTES_MAX, REQUEST_ID_CHARS_MAX, WORKER_ID, WORKER_PREFIX_MIN } from "./limits.ts";
import { Violations } from "./violations.ts";

const SHOWN_CHARS = 80;

/** A value as it may stand in a message: short, and with everything that a terminal would act upon escaped. */
export function shown(value: string): string {
  const text = value.length > SHOWN_CHARS ? `${value.slice(0, SHOWN_CHARS)}...` : value;
  return JSON.stringify(text).replaceAll(/[^ -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

export function checkName(violations: Violations, field: string, value: string): void {
  if (value === "") violations.add(field, `is required: ${NAME_FORM}`);
  else violations.require(NAME.test(value), field, `${shown(value)} is not a name: ${NAME_FORM}`);
}

export function checkDescription(violations: Violations, field: string, value: string): void {
  const bytes = Buffer.byteLength(value);
  violations.require(bytes <= DESCRIPTION_BYTES_MAX, field, `has ${bytes} bytes: at most ${DESCRIPTION_BYTES_MAX}`);
}

export function checkRequestId(violations: Violations, value: string): void {
  const text = `has ${value.length} characters: at most ${REQUEST_ID_CHARS_MAX}`;
  violations.require(value.length <= REQUEST_ID_CHARS_MAX, "request_id", text);
}

export function checkId(violations: Violations, field: string, value: string): void {
  violations.require(isId(value), field, `${shown(value)} is not an id: 26 characters, as lists show them`);
}

/** An id of a worker, or a beginning of one. */
export function checkWorker(violations: Violations, field: string, value: string): void {
  const text = `names no worker: give its id, or the first ${WORKER_PREFIX_MIN} or more characters of it`;
  violations.require(value.length >= WORKER_PREFIX_MIN && WORKER_ID.test(value), field, `${shown(value)} ${text}`);
}

/** One name of a request, or INVALID_ARGUMENT. */
export function requireName(field: string, value: string): string {
  const violations = new Violations();
  checkName(violations, field, value);
  violations.throwIfAny("NAME_INVALID", "the request is not valid");
  return value;
}

/** The id that makes a request safe to repeat, or INVALID_ARGUMENT. */
export function requireRequestId(value: string): void {
  const violations = new Violations();
  checkRequestId(violations, value);
  violations.throwIfAny("REQUEST_INVALID", "the request is not valid");
}

/** One id of a request, or INVALID_ARGUMENT. */
export function requireId(field: string, value: string): string {
  const violations = new Violations();
  checkId(violations, field, value);
  violations.throwIfAny("ID_INVALID", "the request is not valid");
  return value;
}
