/** The token that says who calls: what can be one, and where it may go. */
import { invalidArgument, isLoopback, Secret } from "@sheaf/runtime";

/** It may come from a file, with the end of its line. `from`: what the user set, for the message. */
export function tokenOf(given: Secret<string> | string | undefined, from: string): Secret<string> | undefined {
  const trimmed = (typeof given === "string" ? given : given?.reveal())?.trim();
  if (!trimmed) return undefined;
  if (/^[\x21-\x7e]+$/.test(trimmed)) return new Secret(trimmed);
  throw invalidArgument("TOKEN_INVALID", `${from} is no token: it has characters that none has`);
}

/** In plain text it goes to this machine only. */
export function refusePlainText(address: string, host: string, what: string): void {
  if (isLoopback(host)) return;
  throw invalidArgument("TOKEN_IN_PLAIN_TEXT", `a token is not sent to ${address} in plain text: ${what}`);
}
