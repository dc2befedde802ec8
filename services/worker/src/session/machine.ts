/**
 * What a session does next: a state machine without I/O, clock or randomness (times and waits are passed in).
 *
 *     waiting --retry--> greeting --Welcome--> standing
 *        ^                  |  |                  |
 *        |   lost, refused  |  | Elsewhere        | lost, silent
 *        +------------------+  +--> greeting      |
 *        +----------------------------------------+
 *     any --leave--> closed
 *
 * The worker is never without one of these for long: it reconnects for ever, and works on meanwhile.
 */

/** An owner that has said nothing for this long is gone, or cannot be reached. */
export const SILENCE_MS = 6_000;
/** How long a greeting may take. */
const GREETING_MS = 5_000;
/** Owners that only know of each other: after so many hops one waits. */
const HOPS_MAX = 3;

export type SessionState =
  | { readonly t: "waiting"; readonly until: number }
  | { readonly t: "greeting"; readonly address: string; readonly since: number; readonly hops: number }
  | {
      readonly t: "standing";
      readonly address: string;
      readonly heardAt: number;
      readonly beatAt: number;
      readonly beatMs: number;
    }
  | { readonly t: "closed" };

export type SessionEvent =
  | { readonly t: "tick" }
  | { readonly t: "welcome"; readonly beatMs: number }
  | { readonly t: "elsewhere"; readonly address: string }
  /** Any other message of the owner. */
  | { readonly t: "heard" }
  | { readonly t: "lost"; readonly detail: string }
  | { readonly t: "leave" };

/** What the loop does, in order. */
export type SessionAct =
  | { readonly t: "connect"; readonly address: string }
  | { readonly t: "disconnect" }
  | { readonly t: "beat" }
  | { readonly t: "stands" }
  | { readonly t: "leaving" }
  /** For the log: why a stream was given up. */
  | { readonly t: "gave-up"; readonly why: string };

export interface Surroundings {
  readonly now: number;
  /** The next of the addresses that are known, in turn. */
  readonly nextAddress: () => string;
  /** How long to wait after a failure. */
  readonly wait: () => number;
}

export interface Step {
  readonly state: SessionState;
  readonly acts: readonly SessionAct[];
}

export function step(state: SessionState, event: SessionEvent, around: Surroundings): Step {
  if (state.t === "closed") return { state, acts: [] };
  switch (event.t) {
    case "tick":
      return onTick(state, around);
    case "welcome":
      return onWelcome(state, event.beatMs, around);
    case "elsewhere":
      return onElsewhere(state, event.address, around);
    case "heard":
      return state.t === "standing" ? { state: { ...state, heardAt: around.now }, acts: [] } : { state, acts: [] };
    case "lost":
      return state.t === "waiting" ? { state, acts: [] } : giveUp(event.detail, around);
    case "leave":
      return { state: { t: "closed" }, acts: state.t === "standing" ? [{ t: "leaving" }] : [{ t: "disconnect" }] };
  }
}

function onTick(state: SessionState, around: Surroundings): Step {
  const { now } = around;
  switch (state.t) {
    case "waiting":
      return now < state.until ? { state, acts: [] } : greet(around.nextAddress(), 0, around);
    case "greeting":
      return now - state.since < GREETING_MS
        ? { state, acts: [] }
        : giveUp(`no welcome from ${state.address} in ${GREETING_MS} ms`, around);
    case "standing":
      if (now - state.heardAt >= SILENCE_MS) return giveUp(`${state.address} was silent for ${SILENCE_MS} ms`, around);
      if (now < state.beatAt) return { state, acts: [] };
      return { state: { ...state, beatAt: now + state.beatMs }, acts: [{ t: "beat" }] };
    case "closed":
      return { state, acts: [] };
  }
}

function onWelcome(state: SessionState, beatMs: number, { now }: Surroundings): Step {
  if (state.t !== "greeting") return { state, acts: [] };
  const standing = { t: "standing", address: state.address, heardAt: now, beatAt: now + beatMs, beatMs } as const;
  return { state: standing, acts: [{ t: "stands" }] };
}

function onElsewhere(state: SessionState, address: string, around: Surroundings): Step {
  if (state.t !== "greeting") return { state, acts: [] };
  if (address === "" || state.hops >= HOPS_MAX) return giveUp(`${state.address} knows no owner`, around);
  const { state: greeting, acts } = greet(address, state.hops + 1, around);
  return { state: greeting, acts: [{ t: "disconnect" }, ...acts] };
}

function greet(address: string, hops: number, { now }: Surroundings): Step {
  return { state: { t: "greeting", address, since: now, hops }, acts: [{ t: "connect", address }] };
}

function giveUp(why: string, around: Surroundings): Step {
  return {
    state: { t: "waiting", until: around.now + around.wait() },
    acts: [{ t: "disconnect" }, { t: "gave-up", why }],
  };
}
