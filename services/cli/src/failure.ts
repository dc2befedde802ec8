/** An error as the user reads it: what failed, with which value, what to do next; and its exit code. */
import { exitCodeOf, type SheafError, toSheafError } from "@sheaf/runtime";
import type { Host } from "./host.ts";
import { escapeFor } from "./output/escape.ts";

export function tellFailure(thrown: unknown, { stderr, env }: Host): number {
  const error = toSheafError(thrown);
  const safe = escapeFor(stderr);
  // A message may have lines: a picture of where a glob is wrong.
  stderr.write(`sheaf: ${safe(error.message.trimEnd(), "\n")}\n`);
  for (const line of moreOf(error)) stderr.write(`  ${safe(line)}\n`);
  if (wantsDebug(env)) stderr.write(`${safe(stackOf(error), "\n")}\n`);
  return exitCodeOf(error);
}

/** What the message does not say yet. */
function moreOf(error: SheafError): string[] {
  const lines = error.details
    .filter(({ description }) => !error.message.includes(description))
    .map(({ field, description }) => `${field}: ${description}`);
  const where = "SHEAF_ADDRESS or --address says where one is";
  if (error.reason === "UNREACHABLE") lines.push(`\`sheaf dev\` starts a cluster; ${where}`);
  // A server that knows nothing of Sheaf: its error has no reason of ours, but only a code.
  if (error.reason === "UNIMPLEMENTED") lines.push(`what answers there is no master of Sheaf: ${where}`);
  return lines;
}

function wantsDebug(env: Host["env"]): boolean {
  return env["SHEAF_LOG_LEVEL"] === "debug" || env["SHEAF_LOG_LEVEL"] === "trace";
}

function stackOf(error: SheafError): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${error.cause.stack}` : "";
  return `${error.code} ${error.reason}\n${error.stack}${cause}`;
}
