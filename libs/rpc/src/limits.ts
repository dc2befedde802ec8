/** What both sides of a call keep to. */

/** Largest message, either way. Bigger things are objects of the store or chunks of a stream. */
export const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

/** Deadline of a unary call whose caller sets none. */
export const UNARY_TIMEOUT_MS = 30_000;
