/** What a glob is made of once its braces are expanded: a row of tokens, matched one after another. */

/** Code points from..to, both included. */
export interface CodeRange {
  readonly from: number;
  readonly to: number;
}

export type Token =
  /** One given character. */
  | { readonly kind: "char"; readonly code: number }
  /** One character of a set, or not of it; never "/". */
  | { readonly kind: "class"; readonly negated: boolean; readonly ranges: readonly CodeRange[] }
  /** `?`: one character but "/". */
  | { readonly kind: "any" }
  /** `*`: any number of characters but "/". */
  | { readonly kind: "star" }
  /** `**`: any number of characters. */
  | { readonly kind: "globstar" }
  /** Begin of "/**" with a slash after it: that is one slash, or any number of whole folders between two. */
  | { readonly kind: "folders" }
  /** Always follows `folders`: the names of those folders. */
  | { readonly kind: "inside" };

export const SLASH = 0x2f;
export const SLASH_TOKEN: Token = { kind: "char", code: SLASH };

export function isChar(token: Token | undefined, code: number): boolean {
  return token?.kind === "char" && token.code === code;
}

/** Whether the token can begin with, or go on with, this character. */
export function takes(token: Token, code: number): boolean {
  if (token.kind === "char") return token.code === code;
  if (token.kind === "folders") return code === SLASH;
  if (token.kind === "globstar" || token.kind === "inside") return true;
  if (code === SLASH) return false;
  if (token.kind !== "class") return true;
  return token.ranges.some((range) => code >= range.from && code <= range.to) !== token.negated;
}
