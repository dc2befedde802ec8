/**
 * Who is gone. Time is never a right here (L3): it only says when to stop waiting for a worker, and what it holds is freed by a
 * transaction that its late writes lose against.
 */

/** A session, as far as its life is concerned. Times are of the owner's clock, in milliseconds. */
export interface Pulse {
  readonly id: string;
  /** When its stream broke, put later by the time that the owner itself was away since; null: it is open. */
  readonly brokenAt: number | null;
  /** When it last said anything, put later likewise. */
  readonly heardAt: number;
}

export interface Patience {
  /** A broken stream may come back for so long. */
  readonly brokenGraceMs: number;
  /** An open one may be silent for so long. */
  readonly silentMs: number;
  /** How much longer all wait, when too many lapse together: it is probably the owner that is cut off. */
  readonly massMs: number;
}

export interface Judgement {
  readonly gone: readonly string[];
  /** While many lapse together: nobody is gone before. Null: nobody lapses. */
  readonly waitUntil: number | null;
}

/** Lapsing together: more than this share of the sessions, and at least so many (of two workers one is half of all). */
const MASS_SHARE = 0.2;
const MASS_MIN = 3;

/** Decides from `waitUntil` of the last judgement. */
export function judge(pulses: readonly Pulse[], now: number, patience: Patience, waitUntil: number | null): Judgement {
  const lapsed = pulses.filter((pulse) => lapses(pulse, now, patience));
  if (lapsed.length === 0) return { gone: [], waitUntil: null };
  const isMass = lapsed.length >= MASS_MIN && lapsed.length > MASS_SHARE * pulses.length;
  const all = lapsed.map(({ id }) => id);
  if (waitUntil !== null) return now < waitUntil ? { gone: [], waitUntil } : { gone: all, waitUntil: null };
  return isMass ? { gone: [], waitUntil: now + patience.massMs } : { gone: all, waitUntil: null };
}

function lapses({ brokenAt, heardAt }: Pulse, now: number, { brokenGraceMs, silentMs }: Patience): boolean {
  return brokenAt === null ? now - heardAt > silentMs : now - brokenAt >= brokenGraceMs;
}
