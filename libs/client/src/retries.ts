/** When a call is made again. */
import { SheafError } from "@sheaf/runtime";

/** For what is sent with a request id, so that sending it again does nothing twice. A master that was killed is back within that. */
export const SEND_AGAIN = {
  baseMs: 100,
  capMs: 2_000,
  deadlineMs: 10_000,
} as const;

/** Nobody answered, or the one who did is going away. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof SheafError && error.code === "UNAVAILABLE";
}

/** The caller was cut because it took no message for a minute: it was busy, and that is no reason to end. */
export function isNotRead(error: unknown): boolean {
  return error instanceof SheafError && error.reason === "NOT_READ";
}

/** Nobody answered, or somebody else changed the branch meanwhile: all of it is to be sent again. */
export function isToSendAgain(error: unknown): boolean {
  return isUnreachable(error) || (error instanceof SheafError && error.code === "ABORTED");
}
