/**
 * Values of a file as the JSON of protobuf, guided by the descriptors of the contract. A file may be that JSON already, which is how
 * `--json` shows a spec: names like parallelismSpec, MERGE_STRATEGY_SUM and "4" for 4 are taken as well.
 */
import type { DescEnum, DescField, DescMessage, JsonObject, JsonValue, ScalarType } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { didYouMean, parseDuration } from "@sheaf/runtime";
import { isMap, isScalar, isSeq, type Pair } from "yaml";
import { enumWords } from "../enum-name.ts";
import { scalarJson } from "./spec-scalars.ts";
import { described, type Resolved, type SpecTree } from "./spec-tree.ts";

/** Keys that would reach into JavaScript's own objects. */
const FORBIDDEN_KEYS = new Set(["__proto__", "constructor", "prototype"]);

/** What is wrong goes to the problems of the tree; then the result is not to be used. */
export function messageJson(desc: DescMessage, node: Resolved, tree: SpecTree): JsonObject {
  const json: JsonObject = {};
  if (!isMap(node)) {
    tree.wrong(node, `expected the fields of ${desc.name}, found ${described(node)}`);
    return json;
  }
  const known = new Map(desc.fields.map((field) => [field.name, field]));
  const inJson = new Map(desc.fields.map((field) => [field.jsonName, field]));
  for (const pair of node.items as Pair[]) {
    const key = keyOf(pair, tree);
    const field = key === undefined ? undefined : (known.get(key) ?? inJson.get(key));
    if (field !== undefined && Object.hasOwn(json, field.jsonName))
      tree.wrong(pair.key, `${field.name} is given twice`);
    else if (field !== undefined) json[field.jsonName] = fieldJson(field, pair, tree);
    else if (key !== undefined) tree.wrong(pair.key, unknown(key, desc, known.keys()));
  }
  return json;
}

function fieldJson(field: DescField, pair: Pair, tree: SpecTree): JsonValue {
  const node = valueIn(field.name, pair, tree);
  if (node === undefined) return null;
  const part = partOf(field);
  if (field.fieldKind === "list") return listJson(part, node, tree);
  return field.fieldKind === "map" ? mapJson(part, node, tree) : partJson(part, node, tree);
}

/** One value of a field: the field's own, or one of its list or map. */
type Part = { readonly name: string } & (
  | { readonly kind: "scalar"; readonly type: ScalarType }
  | { readonly kind: "enum"; readonly desc: DescEnum }
  | { readonly kind: "message"; readonly desc: DescMessage }
);

function partOf(field: DescField): Part {
  const { name } = field;
  if (field.enum !== undefined) return { name, kind: "enum", desc: field.enum };
  if (field.message !== undefined) return { name, kind: "message", desc: field.message };
  return { name, kind: "scalar", type: field.scalar as ScalarType };
}

function partJson(part: Part, node: Resolved, tree: SpecTree): JsonValue {
  if (part.kind === "enum") return enumJson(part.name, part.desc, node, tree);
  if (part.kind === "message") {
    const isDuration = part.desc.typeName === DurationSchema.typeName;
    return isDuration ? durationJson(part.name, node, tree) : messageJson(part.desc, node, tree);
  }
  return scalarJson(part.name, part.type, node, tree);
}

function listJson(part: Part, node: Resolved, tree: SpecTree): JsonValue {
  if (!isSeq(node)) {
    tree.wrong(node, `${part.name}: expected a list, found ${described(node)}`);
    return [];
  }
  const items: JsonValue[] = [];
  for (const item of node.items) {
    const value = tree.resolve(item);
    if (value !== undefined) items.push(partJson(part, value, tree));
  }
  return items;
}

function mapJson(part: Part, node: Resolved, tree: SpecTree): JsonValue {
  if (!isMap(node)) {
    tree.wrong(node, `${part.name}: expected names with values, found ${described(node)}`);
    return {};
  }
  const json: JsonObject = {};
  for (const pair of node.items as Pair[]) {
    const key = keyOf(pair, tree);
    const value = key === undefined ? undefined : valueIn(key, pair, tree);
    if (key === undefined || value === undefined) continue;
    if (FORBIDDEN_KEYS.has(key)) tree.wrong(pair.key, `${part.name}: "${key}" cannot be a name here`);
    else json[key] = partJson({ ...part, name: `${part.name}.${key}` }, value, tree);
  }
  return json;
}

function enumJson(name: string, desc: DescEnum, node: Resolved, tree: SpecTree): JsonValue {
  const words = enumWords(desc);
  const word = isScalar(node) && typeof node.value === "string" ? node.value : undefined;
  const inJson = desc.values.find(({ name: full, number }) => full === word && number !== 0);
  const value = word === undefined ? undefined : (words.get(word) ?? inJson?.number);
  if (value !== undefined) return value;
  const guess = word === undefined ? "" : didYouMean(word, words.keys());
  tree.wrong(node, `${name}: ${described(node)} is not known${guess}: use one of ${[...words.keys()].join(", ")}`);
  return null;
}

function durationJson(name: string, node: Resolved, tree: SpecTree): JsonValue {
  const text = isScalar(node) && typeof node.value === "string" ? node.value : undefined;
  const parsed =
    text === undefined
      ? { wrong: 'is not a duration: use text with a unit, like "10s" or "1m30s"' }
      : parseDuration(text);
  if ("value" in parsed) return `${(parsed.value / 1_000).toFixed(3)}s`;
  tree.wrong(node, `${name}: ${described(node)} ${parsed.wrong}`);
  return null;
}

function keyOf({ key }: Pair, tree: SpecTree): string | undefined {
  const node = tree.resolve(key);
  if (node === undefined) return undefined;
  if (isScalar(node) && typeof node.value === "string") return node.value;
  tree.wrong(key, `expected the name of a field, found ${described(node)}`);
  return undefined;
}

/** The value of a key; that there is none is wrong: a forgotten indentation looks like that. */
function valueIn(name: string, { key, value }: Pair, tree: SpecTree): Resolved | undefined {
  const before = tree.problems.count;
  const node = tree.resolve(value);
  if (node !== undefined && !(isScalar(node) && node.value === null)) return node;
  if (tree.problems.count === before) tree.wrong(key, `${name} has no value: give one, or leave the field out`);
  return undefined;
}

function unknown(key: string, desc: DescMessage, known: Iterable<string>): string {
  const names = [...known];
  const guess = didYouMean(key, names);
  const all = guess === "" ? `; ${desc.name} has ${names.join(", ")}` : "";
  return `unknown field ${JSON.stringify(key)}${guess}${all}`;
}
