/** The syntax tree of a file, with bounds: aliases are followed a limited number of times, and not for ever inwards. */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type ParsedNode,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import type { Problems } from "./problems.ts";

/** A file that unfolds to more is a bomb, or no pipeline. */
const NODES_MAX = 100_000;
const ALIASES_MAX = 100;

/** A node that is no alias. */
export type Resolved = Scalar | YAMLMap | YAMLSeq;

export class SpecTree {
  readonly problems: Problems;
  readonly #document: Document.Parsed<ParsedNode>;
  #nodes = 0;
  #aliases = 0;

  constructor(document: Document.Parsed<ParsedNode>, problems: Problems) {
    this.#document = document;
    this.problems = problems;
  }

  /** What stands there, or what its alias stands for; undefined when there is nothing, or too much of it. */
  resolve(node: unknown): Resolved | undefined {
    if (isAlias(node)) return this.#follow(node);
    if (!(isScalar(node) || isMap(node) || isSeq(node))) return undefined;
    this.#nodes++;
    if (this.#nodes === NODES_MAX) this.wrong(node, `has more than ${NODES_MAX} values: that is no pipeline`);
    return this.#nodes < NODES_MAX ? node : undefined;
  }

  wrong(node: unknown, description: string): void {
    this.problems.add(offsetOf(node), description);
  }

  #follow(alias: { source: string; resolve(document: Document): unknown }): Resolved | undefined {
    this.#aliases++;
    if (this.#aliases === ALIASES_MAX) this.wrong(alias, `has more than ${ALIASES_MAX} aliases`);
    if (this.#aliases >= ALIASES_MAX) return undefined;
    const target = alias.resolve(this.#document);
    if (target === undefined) this.wrong(alias, `there is no anchor &${alias.source} before it`);
    return this.resolve(target);
  }
}

function offsetOf(node: unknown): number {
  const range = typeof node === "object" && node !== null && "range" in node ? node.range : undefined;
  return Array.isArray(range) && typeof range[0] === "number" ? range[0] : 0;
}

/** What somebody wrote, for a message: `the number 4`. */
export function described(node: Resolved): string {
  if (isMap(node)) return "fields";
  if (isSeq(node)) return "a list";
  const { value } = node;
  if (value === null) return "nothing";
  if (typeof value === "string")
    return `the text ${JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value)}`;
  if (typeof value === "boolean") return `${value}`;
  return `the number ${String(value)}`;
}
