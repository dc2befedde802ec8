/**
 * Reads a pattern into a tree of tokens and brace groups.
 *
 *   *  **  ?  [abc] [a-c] [!a] [^a]  {a,b{c,d}}  \x (x itself)  and, around a whole pattern, !(...) or a leading !
 *
 * Everything else stands for itself, except what other globs give a meaning that this one does not have: it is refused
 * rather than matched by surprise. Escape it with a backslash to mean the character.
 */
import { globError } from "./syntax-error.ts";
import { type CodeRange, SLASH_TOKEN, type Token } from "./tokens.ts";

/** Characters of a pattern are also its bytes at least: 1 KiB in UTF-8. */
const PATTERN_BYTES_MAX = 1024;
const NESTING_MAX = 16;

/** A brace group: each alternative is a row of nodes. */
export interface Group {
  readonly kind: "group";
  readonly position: number;
  readonly alternatives: readonly (readonly Node[])[];
}
export type Node = Token | Group;

export interface ParsedPattern {
  readonly negated: boolean;
  readonly nodes: readonly Node[];
}

export function parsePattern(pattern: string): ParsedPattern {
  if (Buffer.byteLength(pattern) > PATTERN_BYTES_MAX) {
    throw globError(pattern, 0, `it is longer than ${PATTERN_BYTES_MAX} bytes`);
  }
  if (!pattern.isWellFormed()) throw globError(pattern, 0, "it is not valid Unicode");
  requireComposed(pattern);
  const { negated, from, to } = stripNegation(pattern);
  const parser = new Parser(pattern, from, to);
  return { negated, nodes: parser.parseAll() };
}

/** It looks like a name that is there, and would match nothing: paths are composed. */
function requireComposed(pattern: string): void {
  const composed = pattern.normalize("NFC");
  if (composed === pattern) return;
  let at = 0;
  while (pattern[at] === composed[at]) at++;
  throw globError(pattern, at, "it is not in composed form (Unicode NFC), as all paths are: type that letter anew");
}

/** Takes `!(...)` or a leading `!` off the whole pattern. */
function stripNegation(pattern: string): {
  readonly negated: boolean;
  readonly from: number;
  readonly to: number;
} {
  const bang = pattern.startsWith("/!(") ? 1 : 0;
  if (pattern[bang] !== "!") return { negated: false, from: 0, to: pattern.length };
  if (pattern[bang + 1] !== "(") return { negated: true, from: bang + 1, to: pattern.length };
  const end = pattern.length - 1;
  if (!pattern.endsWith(")") || isEscaped(pattern, end)) {
    throw globError(pattern, bang + 1, '"!(" needs its ")" at the very end: only a whole pattern can be negated');
  }
  return { negated: true, from: bang + 2, to: end };
}

function isEscaped(pattern: string, at: number): boolean {
  let slashes = 0;
  while (pattern[at - 1 - slashes] === "\\") slashes++;
  return slashes % 2 === 1;
}

class Parser {
  readonly #pattern: string;
  readonly #end: number;
  #at: number;

  constructor(pattern: string, from: number, to: number) {
    this.#pattern = pattern;
    this.#at = from;
    this.#end = to;
  }

  parseAll(): readonly Node[] {
    return this.#row(0);
  }

  /** Nodes up to the end of the pattern or, inside braces, to the "," or "}" that ends the alternative. */
  #row(depth: number): Node[] {
    const nodes: Node[] = [];
    while (this.#at < this.#end) {
      const char = this.#peek();
      if (depth > 0 && (char === "," || char === "}")) return nodes;
      nodes.push(this.#node(char, depth));
    }
    return nodes;
  }

  #node(char: string, depth: number): Node {
    const position = this.#at;
    switch (char) {
      case "*":
        return this.#star();
      case "?":
        this.#refuseGroupAfter(1);
        this.#at++;
        return { kind: "any" };
      case "[":
        return this.#class();
      case "{":
        return this.#group(depth + 1);
      case "}":
        throw this.#error(position, '"}" without "{"; write \\} for the character');
      case "]":
        throw this.#error(position, '"]" without "["; write \\] for the character');
      case "(":
      case ")":
        throw this.#error(
          position,
          `parentheses are kept for captures, which do not exist yet; write \\${char} for the character`,
        );
      case "!":
      case "@":
      case "+":
        this.#refuseGroupAfter(1);
        return this.#char();
      case "\\":
        return this.#escaped();
      default:
        return this.#char();
    }
  }

  #star(): Token {
    const start = this.#at;
    while (this.#at < this.#end && this.#peek() === "*") this.#at++;
    const length = this.#at - start;
    if (length > 2) throw this.#error(start, 'more than two "*" in a row');
    this.#refuseGroupAfter(0);
    return { kind: length === 2 ? "globstar" : "star" };
  }

  /** `*(`, `?(`, `+(`, `@(`, `!(` are groups in other globs. */
  #refuseGroupAfter(ahead: number): void {
    if (this.#pattern[this.#at + ahead] !== "(" || this.#at + ahead >= this.#end) return;
    const problem = "groups like @(a|b), *(a), +(a), ?(a) or an inner !(a) are not supported; use braces: {a,b}";
    throw this.#error(this.#at + ahead, problem);
  }

  #char(): Token {
    const code = this.#codePoint();
    return code === 0x2f ? SLASH_TOKEN : { kind: "char", code };
  }

  #escaped(): Token {
    const position = this.#at++;
    if (this.#at >= this.#end) throw this.#error(position, 'a "\\" at the end escapes nothing');
    return this.#char();
  }

  #codePoint(): number {
    const code = this.#pattern.codePointAt(this.#at) as number;
    this.#at += code > 0xffff ? 2 : 1;
    return code;
  }

  #group(depth: number): Group {
    const position = this.#at++;
    if (depth > NESTING_MAX) throw this.#error(position, `braces are nested more than ${NESTING_MAX} deep`);
    const start = this.#at;
    const alternatives: Node[][] = [this.#row(depth)];
    while (this.#at < this.#end && this.#peek() === ",") {
      this.#at++;
      alternatives.push(this.#row(depth));
    }
    if (this.#at >= this.#end) throw this.#error(position, '"{" without "}"; write \\{ for the character');
    const inside = this.#pattern.slice(start, this.#at++);
    if (alternatives.length === 1 && /^-?\w+\.\.-?\w+$/.test(inside)) {
      throw this.#error(position, "ranges like {1..9} are not supported; use a class, [1-9], or name them: {1,2,3}");
    }
    return { kind: "group", position, alternatives };
  }

  #class(): Token {
    const position = this.#at++;
    const negated = this.#peek() === "!" || this.#peek() === "^";
    if (negated) this.#at++;
    const ranges: CodeRange[] = [];
    // A "]" that comes first stands for itself.
    while (this.#at < this.#end && (this.#peek() !== "]" || ranges.length === 0)) ranges.push(this.#range(position));
    if (this.#at >= this.#end) throw this.#error(position, '"[" without "]"; write \\[ for the character');
    this.#at++;
    return { kind: "class", negated, ranges };
  }

  #range(opened: number): CodeRange {
    const position = this.#at;
    const from = this.#classChar(opened);
    // A "-" that comes last stands for itself.
    if (this.#peek() !== "-" || this.#pattern[this.#at + 1] === "]" || this.#at + 1 >= this.#end)
      return { from, to: from };
    this.#at++;
    const to = this.#classChar(opened);
    if (to < from) throw this.#error(position, "the range runs backwards");
    return { from, to };
  }

  #classChar(opened: number): number {
    if (this.#peek() === "[" && this.#pattern[this.#at + 1] === ":") {
      throw this.#error(this.#at, "names like [:alpha:] are not supported; write the letters: [a-zA-Z]");
    }
    if (this.#peek() === "\\") this.#at++;
    if (this.#at >= this.#end) throw this.#error(opened, '"[" without "]"; write \\[ for the character');
    const position = this.#at;
    const code = this.#codePoint();
    if (code === 0x2f) throw this.#error(position, 'a class cannot hold "/": it never matches one');
    return code;
  }

  #peek(): string {
    return this.#at < this.#end ? (this.#pattern[this.#at] as string) : "";
  }

  #error(position: number, problem: string): Error {
    return globError(this.#pattern, position, problem);
  }
}
