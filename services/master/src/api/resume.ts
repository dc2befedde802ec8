// Where a stream goes on after a broken connection, at this master or another: an opaque token that says which stream it is of, and what
// its caller was told last. Nothing is kept for it anywhere.

import { isId, unavailable } from "@sheaf/runtime";
import { Violations } from "./violations.ts";

/** Nothing is said for so long; then a sign of life, so that a caller notices a dead connection. */
export const ALIVE_MS = 5_000;

const TOKEN_CHARS_MAX = 512;
const SEPARATOR = "\n";

/** `parts` hold no newline. */
export function resumeToken(stream: string, ...parts: readonly string[]): string {
  return Buffer.from([stream, ...parts].join(SEPARATOR)).toString("base64url");
}

/** The parts of a token of this stream, the last of which is as `resumeToken` got it; the first is an id. INVALID_ARGUMENT. */
export function readResume(token: string, stream: string, count: number): readonly string[] {
  const text = token.length <= TOKEN_CHARS_MAX ? Buffer.from(token, "base64url").toString() : "";
  const [kind, ...parts] = text.split(SEPARATOR);
  const violations = new Violations();
  const isOurs =
    kind === stream && parts.length === count && isId(parts[0] ?? "") && resumeToken(stream, ...parts) === token;
  violations.require(isOurs, "resume", "is not what an answer of this stream gave: begin without it");
  violations.throwIfAny("RESUME_INVALID", "the request is not valid");
  return parts;
}

/** The end of a stream whose master stops, or hands over what the stream is about. */
export function draining() {
  return unavailable(
    "DRAINING",
    "this master stops, or gives the pipeline to another: call again, with the last resume",
    {
      retryDelayMs: 500,
    },
  );
}
