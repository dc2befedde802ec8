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
/** How long an address may take to answer at all: what is dead or cut off shall not keep us from those that live. */
const CONNECT_MS = 1_000;
/** How long a greeting may take from then on: an owner may have many to greet. */
const GREETING_MS = 5_000;
/** Owners that only know of each other: after so many hops one waits. */
const HOPS_MAX = 3;

export type SessionState =
  /** `first`: the owner of a session that broke. It is tried before the others, for often it is still there. */
  | { readonly t: "waiting"; readonly until: number; readonly first?: string }
  | {
      readonly t: "greeting";
      readonly address: string;
      /** Of the greeting, or of the connection once it is there. */
      readonly since: number;
      readonly isConnected: boolean;
      readonly hops: number;
    }
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
  /** The address answers. */
  | { readonly t: "connected" }
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
    case "connected":
      if (state.t !== "greeting") return { state, acts: [] };
      return { state: { ...state, since: around.now, isConnected: true }, acts: [] };
    case "welcome":
      return onWelcome(state, event.beatMs, around);
    case "elsewhere":
      return onElsewhere(state, event.address, around);
    case "heard":
      return state.t === "standing" ? { state: { ...state, heardAt: around.now }, acts: [] } : { state, acts: [] };
    case "lost":
      if (state.t === "waiting") return { state, acts: [] };
      return giveUp(event.detail, around, state.t === "standing" ? state.address : undefined);
    case "leave":
      return { state: { t: "closed" }, acts: state.t === "standing" ? [{ t: "leaving" }] : [{ t: "disconnect" }] };
  }
}

function onTick(state: SessionState, around: Surroundings): Step {
  const { now } = around;
  switch (state.t) {
    case "waiting":
      return now < state.until ? { state, acts: [] } : greet(state.first ?? around.nextAddress(), 0, around);
    case "greeting":
      return onGreetingTick(state, around);
    case "standing":
      if (now - state.heardAt >= SILENCE_MS) return giveUp(`${state.address} was silent for ${SILENCE_MS} ms`, around);
      if (now < state.beatAt) return { state, acts: [] };
      return { state: { ...state, beatAt: now + state.beatMs }, acts: [{ t: "beat" }] };
    case "closed":
      return { state, acts: [] };
  }
}

function onGreetingTick(state: SessionState & { t: "greeting" }, around: Surroundings): Step {
  const { address, since, isConnected } = state;
  const limit = isConnected ? GREETING_MS : CONNECT_MS;
  if (around.now - since < limit) return { state, acts: [] };
  return giveUp(`no ${isConnected ? "welcome" : "answer"} from ${address} in ${limit} ms`, around);
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
  return { state: { t: "greeting", address, since: now, isConnected: false, hops }, acts: [{ t: "connect", address }] };
}

function giveUp(why: string, around: Surroundings, first?: string): Step {
  return {
    state: { t: "waiting", until: around.now + around.wait(), ...(first !== undefined && { first }) },
    acts: [{ t: "disconnect" }, { t: "gave-up", why }],
  };
}
