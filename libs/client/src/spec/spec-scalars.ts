/** Single values of a file: text, numbers, yes and no. The type must be the right one: `4` is no text, "4" no number. */
import { type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { isScalar } from "yaml";
import { described, type Resolved, type SpecTree } from "./spec-tree.ts";

interface Range {
  readonly min: bigint;
  readonly max: bigint;
}

const RANGES: Readonly<Partial<Record<ScalarType, Range>>> = {
  [ScalarType.UINT32]: { min: 0n, max: 2n ** 32n - 1n },
  [ScalarType.UINT64]: { min: 0n, max: 2n ** 64n - 1n },
  [ScalarType.INT32]: { min: -(2n ** 31n), max: 2n ** 31n - 1n },
  [ScalarType.INT64]: { min: -(2n ** 63n), max: 2n ** 63n - 1n },
};

export function scalarJson(name: string, type: ScalarType, node: Resolved, tree: SpecTree): JsonValue {
  const value = isScalar(node) ? node.value : undefined;
  const range = RANGES[type];
  if (range !== undefined) return wholeJson(name, range, isLong(type) ? wholeOf(value) : value, node, tree);
  if (type === ScalarType.BOOL && typeof value === "boolean") return value;
  if (type === ScalarType.STRING && typeof value === "string") return value;
  if ((type === ScalarType.DOUBLE || type === ScalarType.FLOAT) && isNumber(value)) return Number(value);
  tree.wrong(node, `${name}: expected ${expected(type)}, found ${described(node)}${quoteHint(type, value)}`);
  return null;
}

function isLong(type: ScalarType): boolean {
  return type === ScalarType.UINT64 || type === ScalarType.INT64;
}

/** Protobuf's JSON has 64 bits as text. */
function wholeOf(value: unknown): unknown {
  return typeof value === "string" && /^-?\d{1,20}$/.test(value) ? BigInt(value) : value;
}

/** As text, which is how protobuf's JSON keeps 64 bits exact. */
function wholeJson(name: string, { min, max }: Range, value: unknown, node: Resolved, tree: SpecTree): JsonValue {
  if (typeof value !== "bigint") tree.wrong(node, `${name}: expected a whole number, found ${described(node)}`);
  else if (value < min || value > max) tree.wrong(node, `${name}: ${value} is out of range: use ${min} to ${max}`);
  else return String(value);
  return null;
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === "bigint" || (typeof value === "number" && Number.isFinite(value));
}

function expected(type: ScalarType): string {
  if (type === ScalarType.BOOL) return "true or false";
  return type === ScalarType.STRING ? "text" : "a number";
}

/** YAML takes 8, true and 1.0 for what they look like. */
function quoteHint(type: ScalarType, value: unknown): string {
  const needsQuotes = type === ScalarType.STRING && ["number", "bigint", "boolean"].includes(typeof value);
  return needsQuotes ? `: put it in quotes, "${String(value)}"` : "";
}
