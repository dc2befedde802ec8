/** Randomness, passed in, so that a simulation with the same seed does the same. */

/** The most that getRandomValues gives at once. */
const BYTES_AT_ONCE = 65_536;

export interface Random {
  bytes(n: number): Uint8Array;
  /** A whole number in [0, below); `below` is 1 to 2^32. */
  int(below: number): number;
  /** A number in [0, 1). */
  float(): number;
}

/** The operating system's randomness: cannot be guessed. From what Node and browsers both have. */
export const systemRandom: Random = {
  bytes(n) {
    const bytes = new Uint8Array(n);
    for (let at = 0; at < n; at += BYTES_AT_ONCE) crypto.getRandomValues(bytes.subarray(at, at + BYTES_AT_ONCE));
    return bytes;
  },
  int(below) {
    const even = 2 ** 32 - (2 ** 32 % below); // from there on, some remainders would come more often than others
    for (;;) {
      const drawn = word();
      if (drawn < even) return drawn % below;
    }
  },
  float: () => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53,
};

/** Drawn ahead: to ask the system costs a microsecond, however much is asked for. */
const words = new Uint32Array(256);
let wordsUsed = words.length;

/** 32 random bits. */
function word(): number {
  if (wordsUsed === words.length) {
    crypto.getRandomValues(words);
    wordsUsed = 0;
  }
  return words[wordsUsed++] ?? 0;
}

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
