/** Randomness, passed in, so that a simulation with the same seed does the same. */
import { randomBytes, randomInt } from "node:crypto";

export interface Random {
  bytes(n: number): Uint8Array;
  /** A whole number in [0, below); `below` is 1 to 2^32. */
  int(below: number): number;
  /** A number in [0, 1). */
  float(): number;
}

/** The operating system's randomness: cannot be guessed. */
export const systemRandom: Random = {
  bytes: (n) => new Uint8Array(randomBytes(n)),
  int: (below) => randomInt(below),
  float: () => randomInt(2 ** 47) / 2 ** 47,
};

/** The same sequence for the same seed, on every machine (sfc32). For tests and simulations only. */
export function seededRandom(seed: number): Random {
  let a = 0x9e3779b9;
  let b = Math.floor(seed / 2 ** 32) | 0;
  let c = seed | 0;
  let counter = 1;
  const next32 = (): number => {
    const result = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + result) | 0;
    return result >>> 0;
  };
  // The first outputs still show the seed; sfc32's author throws twelve away.
  for (let i = 0; i < 12; i++) next32();
  return {
    bytes: (n) => Uint8Array.from({ length: n }, () => next32() & 0xff),
    int: (below) => Math.floor((next32() / 2 ** 32) * below),
    float: () => next32() / 2 ** 32,
  };
}
