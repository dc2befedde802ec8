/** What both servers give to their calls, and how it ends. */
import {
  type Clock,
  failedPrecondition,
  isLoopback,
  type Logger,
  type Random,
  systemClock,
  systemRandom,
} from "@sheaf/runtime";
import type { Access } from "./access.ts";
import { type CallRules, goingAway } from "./invoke.ts";
import { UNARY_TIMEOUT_MS } from "./limits.ts";

/** How long a caller may not read. */
const UNREAD_MS = 60_000;

export interface RuleOptions {
  readonly log: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Milliseconds for a unary call whose caller sets no deadline. Default 30,000. */
  readonly unaryTimeoutMs?: number;
  /** Milliseconds in which the caller of a stream of answers must take one. Default 60,000. */
  readonly unreadMs?: number;
}

export interface ServerRules extends CallRules {
  /** Tells the calls that the server drains. */
  drain(): void;
  /** Ends the calls that are still open. */
  end(): void;
}

export function serverRules(options: RuleOptions, access: Access): ServerRules {
  const draining = new AbortController();
  const stopping = new AbortController();
  return {
    log: options.log,
    random: options.random ?? systemRandom,
    clock: options.clock ?? systemClock,
    access,
    unaryTimeoutMs: options.unaryTimeoutMs ?? UNARY_TIMEOUT_MS,
    unreadMs: options.unreadMs ?? UNREAD_MS,
    draining: draining.signal,
    stopping: stopping.signal,
    drain: () => draining.abort(goingAway()),
    end: () => stopping.abort(goingAway()),
  };
}

/**
 * Who can reach a port beyond this machine has to say who it is: a service by its certificate, a user, on the public port, by a token.
 * Tokens in plain text would be everybody's.
 */
export function refuseBeyondLoopback(
  host: string,
  { tls, tokens }: { readonly tls: boolean; readonly tokens: boolean },
): void {
  if (isLoopback(host) || (tls && tokens)) return;
  const missing = tls
    ? "without tokens everybody could call the API: give --tokens, a file with lines that `sheaf token create` prints"
    : "without TLS only this machine may connect: give --tls-cert, --tls-key and --tls-ca, which `sheaf certificates` makes";
  throw failedPrecondition("LISTEN_NOT_LOOPBACK", `refused to listen on ${host}: ${missing}; or listen on 127.0.0.1`);
}

export function portInUse(host: string, port: number, cause: unknown) {
  return failedPrecondition(
    "PORT_IN_USE",
    `port ${port} on ${host} is in use by another program; stop that one, or choose another port (0: any free one)`,
    { metadata: { port: String(port) }, cause },
  );
}
