import { type Result, runSeed } from "./run-seed.ts";

export interface Campaign {
  /** Histories that were run. */
  readonly run: number;
  readonly broken: readonly Result[];
  readonly events: number;
  /** How many jobs ended in which state. */
  readonly ends: Readonly<Record<string, number>>;
}

/** After so many broken histories the rest would say the same. */
const BROKEN_MAX = 5;

/** Histories one after the other: each depends on its seed alone. */
export async function campaign(
  from: number,
  seeds: number,
  onDone: (done: number) => void = () => {},
): Promise<Campaign> {
  const broken: Result[] = [];
  const ends: Record<string, number> = {};
  let events = 0;
  let run = 0;
  while (run < seeds && broken.length < BROKEN_MAX) {
    const result = await runSeed(from + run++);
    events += result.events;
    for (const end of result.ends) ends[end] = (ends[end] ?? 0) + 1;
    if (result.violation !== null) broken.push(result);
    onDone(run);
  }
  return { run, broken, events, ends };
}
