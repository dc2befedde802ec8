/**
 * Ids that sort by creation: 48 bits of milliseconds since 1970, then 80 random bits, as 26 lower-case
 * characters of Crockford's base 32 (a ULID in lower case). Safe in file names (also where case does
 * not count), etcd keys, URLs, DNS labels and Kubernetes names.
 */
import { type Clock, systemClock } from "./clock.ts";
import type { Random } from "./random.ts";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const TIME_CHARS = 10;
const RANDOM_CHARS = 16;
const RANDOM_BYTES = 10;
const RANDOM_LIMIT = 1n << 80n;
const ID = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;

interface Last {
  readonly ms: number;
  readonly tail: bigint;
}

/** The last id made from each source: ids of one source sort in the order in which they were made. */
const lastOf = new WeakMap<Random, Last>();

/**
 * A new id. Ids made from one `random` sort strictly by creation, also within one millisecond and when
 * the wall clock goes back; ids made by different processes sort by their wall clocks.
 */
export function newId(random: Random, clock: Clock = systemClock): string {
  const last = lastOf.get(random);
  const ms = Math.floor(clock.wall());
  const next = last === undefined || ms > last.ms ? { ms, tail: randomTail(random) } : following(last);
  lastOf.set(random, next);
  return encode(BigInt(next.ms), TIME_CHARS) + encode(next.tail, RANDOM_CHARS);
}

/** Whether the text has the form of an id. */
export function isId(text: string): boolean {
  return ID.test(text);
}

function following(last: Last): Last {
  const tail = last.tail + 1n;
  return tail < RANDOM_LIMIT ? { ms: last.ms, tail } : { ms: last.ms + 1, tail: 0n };
}

function randomTail(random: Random): bigint {
  let tail = 0n;
  for (const byte of random.bytes(RANDOM_BYTES)) tail = (tail << 8n) | BigInt(byte);
  return tail;
}

function encode(value: bigint, chars: number): string {
  let text = "";
  for (let rest = value, i = 0; i < chars; i++, rest >>= 5n) text = ALPHABET[Number(rest & 31n)] + text;
  return text;
}
