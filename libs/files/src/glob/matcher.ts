/**
 * Matches paths against rows of tokens in time linear in the path.
 *
 * The rows are one nondeterministic automaton: a state is "in row r, the first t tokens are matched". The sets of states
 * that can be reached together are found while paths are matched and kept as the states of a deterministic automaton, so
 * that nearly every character costs one look into a table. Nothing backtracks: no pattern can make it slow.
 *
 * Characters that no token tells apart share a class, so the table is small. Memory: at most STATES_MAX sets; when there
 * would be more, the table is thrown away and begun again.
 */
import { SLASH, type Token, takes } from "./tokens.ts";

const STATES_MAX = 4_096;
const ASCII = 128;

export class Matcher {
  readonly #tokens: readonly (Token | undefined)[];
  readonly #starts: readonly number[];
  readonly #bounds: readonly number[];
  readonly #samples: readonly number[];
  readonly #asciiClass = new Uint16Array(ASCII);
  #sets: (readonly number[])[] = [];
  #ids = new Map<string, number>();
  /** next[id * classes + class] is the next set's id + 1; 0: not known yet. */
  #next: number[] = [];
  #accepts: boolean[] = [];

  constructor(rows: readonly (readonly Token[])[]) {
    const tokens: (Token | undefined)[] = [];
    const starts: number[] = [];
    for (const row of rows) {
      starts.push(tokens.length);
      // `undefined` is the end of a row: being there is a match.
      tokens.push(...row, undefined);
    }
    this.#tokens = tokens;
    this.#starts = starts;
    this.#bounds = boundsOf(tokens);
    this.#samples = [0, ...this.#bounds];
    for (let code = 0; code < ASCII; code++) this.#asciiClass[code] = this.#searchClass(code);
    this.#begin();
  }

  matches(path: string): boolean {
    let state = 0;
    for (let i = 0; i < path.length; i++) {
      let code = path.charCodeAt(i);
      if (code >= 0xd800 && code < 0xdc00) code = path.codePointAt(i++) as number;
      const charClass = code < ASCII ? (this.#asciiClass[code] as number) : this.#searchClass(code);
      const known = this.#next[state * this.#samples.length + charClass] as number;
      state = known === 0 ? this.#step(state, charClass) : known - 1;
    }
    return this.#accepts[state] as boolean;
  }

  /** State 0 is the start of all rows. */
  #begin(): void {
    this.#sets = [];
    this.#ids = new Map();
    this.#next = [];
    this.#accepts = [];
    this.#idOf(this.#close(this.#starts));
  }

  #step(state: number, charClass: number): number {
    const code = this.#samples[charClass] as number;
    const reached = this.#close(this.#advance(this.#sets[state] as readonly number[], code));
    if (this.#sets.length >= STATES_MAX) {
      this.#begin();
      return this.#idOf(reached);
    }
    const id = this.#idOf(reached);
    this.#next[state * this.#samples.length + charClass] = id + 1;
    return id;
  }

  #idOf(set: readonly number[]): number {
    const key = set.join(" ");
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.#sets.length;
      this.#ids.set(key, id);
      this.#sets.push(set);
      this.#accepts.push(set.some((at) => this.#tokens[at] === undefined));
      for (let i = 0; i < this.#samples.length; i++) this.#next.push(0);
    }
    return id;
  }

  #advance(set: readonly number[], code: number): number[] {
    const out: number[] = [];
    for (const at of set) {
      const token = this.#tokens[at];
      if (token !== undefined && takes(token, code)) out.push(...after(token, at, code));
    }
    return out;
  }

  /** Adds what is reached without a character: `*` and `**` may stand for nothing. Sorted, each once. */
  #close(from: readonly number[]): readonly number[] {
    const seen = new Set<number>();
    for (let at of from) {
      while (!seen.has(at)) {
        seen.add(at);
        const kind = this.#tokens[at]?.kind;
        if (kind === "star" || kind === "globstar") at++;
      }
    }
    return [...seen].sort((a, b) => a - b);
  }

  /** Number of bounds at or below the code: characters between two bounds are alike to every token. */
  #searchClass(code: number): number {
    let low = 0;
    let high = this.#bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#bounds[middle] as number) <= code) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Where a row can stand after its token at `at` took the character. */
function after(token: Token, at: number, code: number): readonly number[] {
  switch (token.kind) {
    case "star":
    case "globstar":
      return [at];
    case "folders":
      // No folder at all, or the first of some.
      return [at + 1, at + 2];
    case "inside":
      return code === SLASH ? [at, at + 1] : [at];
    default:
      return [at + 1];
  }
}

/** Code points at which some token's answer may change, ascending, without 0. */
function boundsOf(tokens: readonly (Token | undefined)[]): number[] {
  const bounds = new Set<number>([SLASH, SLASH + 1]);
  for (const token of tokens) {
    if (token?.kind === "char") bounds.add(token.code).add(token.code + 1);
    if (token?.kind !== "class") continue;
    for (const range of token.ranges) bounds.add(range.from).add(range.to + 1);
  }
  bounds.delete(0);
  return [...bounds].sort((a, b) => a - b);
}
