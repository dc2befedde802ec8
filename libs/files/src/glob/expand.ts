/** Turns the tree of a pattern into plain rows of tokens: one per combination of brace alternatives. */

import type { Node } from "./parse.ts";
import { globError } from "./syntax-error.ts";
import { isChar, SLASH, SLASH_TOKEN, type Token } from "./tokens.ts";

const DOT = 0x2e;

/** Most rows of one pattern. */
const EXPANSION_MAX = 1_000;
/** Most tokens of all rows: bounds the matcher's memory and its time per character. */
const TOKENS_MAX = 16_384;

/** Throws GLOB_SYNTAX before it expands more than the limits. */
export function expand(pattern: string, nodes: readonly Node[]): Token[][] {
  const { rows, tokens } = measure(nodes);
  if (rows > EXPANSION_MAX) {
    throw globError(pattern, firstBrace(nodes), `its braces stand for more than ${EXPANSION_MAX} patterns`);
  }
  if (tokens > TOKENS_MAX) throw globError(pattern, firstBrace(nodes), "its braces stand for too much text");
  return expandRow(nodes).map((row) => normalise(pattern, row));
}

/** How many rows, and how many tokens in all of them. May be Infinity. */
function measure(nodes: readonly Node[]): { readonly rows: number; readonly tokens: number } {
  let rows = 1;
  let tokens = 0;
  for (const node of nodes) {
    if (node.kind !== "group") {
      tokens += rows;
      continue;
    }
    const parts = node.alternatives.map(measure);
    const groupRows = parts.reduce((sum, part) => sum + part.rows, 0);
    const groupTokens = parts.reduce((sum, part) => sum + part.tokens, 0);
    tokens = tokens * groupRows + rows * groupTokens;
    rows *= groupRows;
  }
  return { rows, tokens };
}

function firstBrace(nodes: readonly Node[]): number {
  for (const node of nodes) if (node.kind === "group") return node.position;
  return 0;
}

function expandRow(nodes: readonly Node[]): Token[][] {
  let rows: Token[][] = [[]];
  for (const node of nodes) {
    if (node.kind === "group") {
      const tails = node.alternatives.flatMap(expandRow);
      rows = rows.flatMap((row) => tails.map((tail) => [...row, ...tail]));
    } else {
      for (const row of rows) row.push(node);
    }
  }
  return rows;
}

/**
 * A row that begins with exactly one slash and does not end in one (the root is the single slash), and where a `**` that
 * fills its part takes the slashes around it, so that it may stand for no folder at all.
 */
function normalise(pattern: string, row: readonly Token[]): Token[] {
  const rooted = isChar(row[0], SLASH) ? row : [SLASH_TOKEN, ...row];
  if (rooted.length === 1) return [SLASH_TOKEN];
  const parts = partsOf(rooted);
  if (parts.at(-1)?.length === 0) parts.pop();
  parts.forEach((part) => checkPart(pattern, part));
  const out: Token[] = [];
  parts.forEach((part, i) => {
    const afterFolders = out.at(-1)?.kind === "inside";
    if (isGlobstar(part) && i < parts.length - 1) {
      if (!afterFolders) out.push({ kind: "folders" }, { kind: "inside" });
    } else {
      if (!afterFolders) out.push(SLASH_TOKEN);
      out.push(...part);
    }
  });
  return out;
}

function isGlobstar(part: readonly Token[]): boolean {
  return part.length === 1 && part[0]?.kind === "globstar";
}

/** The tokens between slashes, of a row that begins with one. */
function partsOf(row: readonly Token[]): Token[][] {
  const parts: Token[][] = [];
  for (const token of row) {
    if (isChar(token, SLASH)) parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts;
}

/** A path has no empty part and no "." or "..": a pattern with one can only be a mistake. */
function checkPart(pattern: string, part: readonly Token[]): void {
  if (part.length === 0) throw globError(pattern, Math.max(0, pattern.indexOf("//")), 'it has an empty part ("//")');
  if (part.length > 2 || !part.every((token) => isChar(token, DOT))) return;
  const text = ".".repeat(part.length);
  throw globError(pattern, Math.max(0, pattern.indexOf(text)), `it has a part "${text}", which no path has`);
}
