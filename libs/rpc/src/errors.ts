/**
 * The one door through which errors leave a service (no stack trace and no path goes to a client).
 * A SheafError passes as it is. Anything else is a bug: the client gets INTERNAL with a short id, the log gets the id and
 * the cause.
 */
import { internal, type Logger, type Random, SheafError, toSheafError } from "@sheaf/runtime";
import { fromRequestError } from "./request-faults.ts";

/** What `toSheafError` calls a thrown value that nobody foresaw; its message may quote anything. */
const UNFORESEEN = "UNEXPECTED";

export interface ErrorDoor {
  readonly log: Logger;
  readonly random: Random;
}

/** The error as the caller of `method` may see it. */
export function outgoing(thrown: unknown, method: string, { log, random }: ErrorDoor): SheafError {
  const error = thrown instanceof SheafError ? thrown : (fromRequestError(thrown) ?? passedOn(thrown));
  if (error !== undefined && error.code !== "INTERNAL") return error;
  const errorId = Buffer.from(random.bytes(4)).toString("hex");
  log.error({ err: thrown, errorId, method }, "a call failed for a reason that nobody foresaw");
  if (error === undefined || error.reason === UNFORESEEN) {
    return internal(UNFORESEEN, `internal error ${errorId}: the log of the service says more`, {
      metadata: { errorId },
    });
  }
  return internal(error.reason, `${error.message} (error ${errorId})`, {
    metadata: { ...error.metadata, errorId },
  });
}

/** An abort or a timeout that a handler passed on: no bug. */
function passedOn(thrown: unknown): SheafError | undefined {
  const name = thrown instanceof Error ? thrown.name : "";
  return name === "AbortError" || name === "TimeoutError" ? toSheafError(thrown) : undefined;
}
