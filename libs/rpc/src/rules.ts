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
import { type CallRules, goingAway } from "./invoke.ts";

/** Largest message, either way. Bigger things are objects of the store or chunks of a stream. */
export const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

/** Deadline of a unary call whose caller sets none. */
export const UNARY_TIMEOUT_MS = 30_000;

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

export function serverRules(options: RuleOptions): ServerRules {
  const draining = new AbortController();
  const stopping = new AbortController();
  return {
    log: options.log,
    random: options.random ?? systemRandom,
    clock: options.clock ?? systemClock,
    unaryTimeoutMs: options.unaryTimeoutMs ?? UNARY_TIMEOUT_MS,
    unreadMs: options.unreadMs ?? UNREAD_MS,
    draining: draining.signal,
    stopping: stopping.signal,
    drain: () => draining.abort(goingAway()),
    end: () => stopping.abort(goingAway()),
  };
}

/** Who can reach the port can do everything: without TLS and tokens only this machine may. */
export function refuseBeyondLoopback(host: string): void {
  if (isLoopback(host)) return;
  throw failedPrecondition(
    "LISTEN_NOT_LOOPBACK",
    `refused to listen on ${host}: without TLS and tokens, which this version does not have, only this machine may connect; listen on 127.0.0.1`,
  );
}

export function portInUse(host: string, port: number, cause: unknown) {
  return failedPrecondition(
    "PORT_IN_USE",
    `port ${port} on ${host} is in use by another program; stop that one, or choose another port (0: any free one)`,
    { metadata: { port: String(port) }, cause },
  );
}
