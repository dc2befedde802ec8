/**
 * What the worker tells its owners about itself, from what the engine told last. Pure.
 *
 * D1. A claim is listed from the moment it is assigned, before the engine knows of it: a claim that is missing from two beats
 *     is freed.
 * D2. One capacity is offered to both owners; an assignment of one lowers the offer to the other. If both assign at the same
 *     time, one claim too many waits in the queue: no harm.
 * D3. How long an index runs is told as of the beat, though the engine's word is older: the time since is added. A beat never
 *     waits for the engine.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { dispatch, store } from "@sheaf/proto";
import type { Assigned, Hold, Kind, Owner, Prior, Standing } from "../claims/terms.ts";

const KINDS: Readonly<Record<Kind, store.WorkKind>> = {
  plan: store.WorkKind.PLAN,
  process: store.WorkKind.PROCESS,
  merge: store.WorkKind.MERGE,
};

export class Desk {
  #holds: readonly Hold[] = [];
  /** Assigned, and not yet in the engine's word. */
  #fresh: { readonly hold: Hold; readonly number: number }[] = [];
  #assigned = 0;
  #capacity = 0;
  #toldAt = 0;
  #draining = false;

  /** The engine's word, which takes the first `assigned` assignments into account. */
  update(holds: readonly Hold[], capacity: number, assigned: number, now: number): void {
    this.#holds = holds;
    this.#toldAt = now;
    this.#capacity = capacity;
    this.#fresh = this.#fresh.filter(({ number }) => number > assigned);
  }

  assigned(claim: Assigned): void {
    const { owner, id, fence, job, kind, from, to, isRace } = claim;
    const hold = { owner, claim: id, fence, job, kind, from, to, next: from, finished: 0, isRace, running: [] };
    this.#fresh.push({ hold, number: ++this.#assigned });
  }

  /** From now on nothing is wanted. */
  drain(): void {
    this.#draining = true;
  }

  /** D2. */
  wanted(): number {
    return this.#draining ? 0 : Math.max(0, this.#capacity - this.#fresh.length);
  }

  holds(owner: Owner): Hold[] {
    return this.#all().filter((hold) => hold.owner === owner);
  }

  hello(
    owner: Owner,
    self: { readonly id: string; readonly pool: string; readonly version: string; readonly slots: number },
  ) {
    return create(dispatch.HelloSchema, {
      worker: self.id,
      pool: self.pool,
      version: self.version,
      slots: self.slots,
      // A race ends with its session.
      holds: this.holds(owner)
        .filter(({ isRace }) => !isRace)
        .map(heldClaim),
    });
  }

  /** `heard`: assignments of the owner that came on the stream of now. */
  beat(owner: Owner, now: number, heard: number): dispatch.Beat {
    const mine = this.holds(owner);
    return create(dispatch.BeatSchema, {
      claims: mine.map((hold) => heldPosition(hold, now - this.#toldAt)),
      claimsElsewhere: this.#all().length - mine.length,
      heard: BigInt(heard),
    });
  }

  #all(): Hold[] {
    return [...this.#holds, ...this.#fresh.map(({ hold }) => hold)];
  }
}

/** Undefined: it is half of one. */
export function assignedOf(owner: Owner, message: dispatch.Assign): Assigned | undefined {
  const kind = kindOf(message.kind);
  if (kind === undefined || message.input === undefined || message.from >= message.to) return undefined;
  const { claim: id, fence, job, input } = message;
  const [from, to] = [Number(message.from), Number(message.to)];
  return { owner, id, fence, job, kind, from, to, input, prior: priorOf(message.prior), isRace: false };
}

/** Undefined: it is half of one. */
export function raceOf(owner: Owner, message: dispatch.Race): Assigned | undefined {
  const kind = kindOf(message.kind);
  if (kind === undefined || message.input === undefined) return undefined;
  const { claim: id, fence, job, input } = message;
  const from = Number(message.index);
  const prior = priorOf(message.prior === undefined ? [] : [message.prior]);
  return { owner, id, fence, job, kind, from, to: from + 1, input, prior, isRace: true };
}

export function standOf(stand: readonly dispatch.HeldClaim[]): Map<string, Standing> {
  return new Map(stand.map(({ claim, from, to, fence }) => [claim, { from: Number(from), to: Number(to), fence }]));
}

function heldClaim({ job, kind, claim, fence, from, to }: Hold): MessageInitShape<typeof dispatch.HeldClaimSchema> {
  return { job, kind: KINDS[kind], claim, fence, from: BigInt(from), to: BigInt(to) };
}

/** `sinceMs`: the age of what is known. */
function heldPosition({ claim, next, finished, running }: Hold, sinceMs: number) {
  return {
    claim,
    next: BigInt(next),
    finished: BigInt(finished),
    running: running.map(({ index, ms, progress }) => ({
      index: BigInt(index),
      runningMs: BigInt(Math.round(ms + sinceMs)),
      progress,
    })),
  };
}

function kindOf(kind: store.WorkKind): Kind | undefined {
  return (Object.keys(KINDS) as Kind[]).find((each) => KINDS[each] === kind);
}

function priorOf(prior: readonly dispatch.PriorTries[]): Map<number, Prior> {
  return new Map(
    prior.map(({ index, tries, losses, quarantined }) => [
      Number(index),
      { tries, losses, isQuarantined: quarantined },
    ]),
  );
}
