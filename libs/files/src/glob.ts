/**
 * Globs over paths of a commit. See the README for the table that users read; the rules:
 *
 * - A leading slash may be left out; one at the end is dropped. "/" and "" stand for the whole repo, and for nothing else.
 * - `*` and `?` and classes never match "/". They do match names that begin with a dot, as in Pachyderm.
 * - `**` crosses slashes. As a whole part it stands for any number of folders, also none ("/**" + "/x" matches "/x"); at
 *   the end for all that lies below.
 * - A pattern with `**`, and a negated one, is about files only. It would match a folder and all that lies in it, so every
 *   file would come once for each folder above it.
 * - Letters are Unicode code points, compared as they are: no case folding, no normalisation (paths are in NFC).
 */

import { expand } from "./glob/expand.ts";
import { Matcher } from "./glob/matcher.ts";
import type { Node } from "./glob/parse.ts";
import { parsePattern } from "./glob/parse.ts";
import type { Token } from "./glob/tokens.ts";

export interface Glob {
  /** As it was written. */
  readonly pattern: string;
  /** Whether the path of a file or a folder matches: "/a/b" without a slash at the end, "/" for the whole repo. */
  matches(path: string): boolean;
  /** Every path that matches begins with this text (which need not end at a slash). */
  readonly literalPrefix: string;
  /** True: only files are to be tried against it. */
  readonly filesOnly: boolean;
}

/** Throws INVALID_ARGUMENT GLOB_SYNTAX, with the position, for what cannot be read or is too large. */
export function compileGlob(pattern: string): Glob {
  const { negated, nodes } = parsePattern(pattern);
  const rows = expand(pattern, nodes);
  const matcher = new Matcher(rows);
  const root = !negated && rows.some((row) => row.length === 1);
  return {
    pattern,
    // The root is a folder with an empty name; "**" does not mean it.
    matches: (path) => (path === "/" ? root : matcher.matches(path) !== negated),
    literalPrefix: negated ? "/" : commonPrefix(rows.map(literalStart)),
    filesOnly: negated || hasGlobstar(nodes),
  };
}

function hasGlobstar(nodes: readonly Node[]): boolean {
  return nodes.some((node) => (node.kind === "group" ? node.alternatives.some(hasGlobstar) : node.kind === "globstar"));
}

function literalStart(row: readonly Token[]): string {
  let text = "";
  for (const token of row) {
    if (token.kind === "folders") return `${text}/`;
    if (token.kind !== "char") return text;
    text += String.fromCodePoint(token.code);
  }
  return text;
}

function commonPrefix(texts: readonly string[]): string {
  let prefix = texts[0] ?? "/";
  for (const text of texts) {
    while (!text.startsWith(prefix)) prefix = prefix.slice(0, -1);
  }
  return prefix;
}
