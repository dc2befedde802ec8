// Ids of jobs. The order of a pipeline's jobs is the order of their ids, so a new one must stand behind all that are there,
// also when another master with a faster clock made them.

import { type Clock, newId, type Random } from "@sheaf/runtime";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const TIME_CHARS = 10;

/** A new id that sorts behind `newest`. */
export function jobIdAfter(newest: string | undefined, random: Random, clock: Clock): string {
  const id = newId(random, clock);
  if (newest === undefined || id > newest) return id;
  const ahead: Clock = { ...clock, wall: () => timeOf(newest) + 1 };
  return newId(random, ahead);
}

/** The milliseconds in an id. */
function timeOf(id: string): number {
  let ms = 0;
  for (const char of id.slice(0, TIME_CHARS)) ms = ms * ALPHABET.length + ALPHABET.indexOf(char);
  return ms;
}
