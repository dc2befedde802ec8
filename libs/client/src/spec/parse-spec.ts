/**
 * A pipeline file (YAML, and so JSON) as a PipelineSpec, strictly: what nobody knows, or what has the wrong type, is an error
 * with its place and what was probably meant. What the fields are is asked of the contract's own descriptors.
 *
 * The file is walked as a syntax tree and never becomes objects under names that it chose itself: `__proto__` is an unknown
 * field like others.
 */
import { fromJson } from "@bufbuild/protobuf";
import { api } from "@sheaf/proto";
import { invalidArgument, messageOf, type SheafError } from "@sheaf/runtime";
import { LineCounter, parseDocument } from "yaml";
import { Problems } from "./problems.ts";
import { messageJson } from "./spec-fields.ts";
import { SpecTree } from "./spec-tree.ts";

export const SPEC_BYTES_MAX = 1024 * 1024;

/** `name` stands in the messages. INVALID_ARGUMENT with everything that is wrong, "pipeline.yaml:3:5: ...". */
export function parseSpec(text: string, name: string): api.PipelineSpec {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > SPEC_BYTES_MAX)
    throw invalid(`${name} has ${bytes} bytes: a pipeline file has at most ${SPEC_BYTES_MAX}`);
  const lines = new LineCounter();
  const problems = new Problems(name, lines);
  const json = toJson(text, lines, problems);
  problems.throwIfAny();
  try {
    return fromJson(api.PipelineSpecSchema, json);
  } catch (error) {
    throw invalid(`${name}: ${messageOf(error)}`);
  }
}

function toJson(text: string, lineCounter: LineCounter, problems: Problems) {
  try {
    // Whole numbers as bigint: 2^53 + 1 must not become another number.
    const document = parseDocument(text, { lineCounter, intAsBigInt: true, prettyErrors: false });
    for (const { pos, message } of [...document.errors, ...document.warnings]) problems.add(pos[0], firstLine(message));
    problems.throwIfAny();
    const tree = new SpecTree(document, problems);
    const root = tree.resolve(document.contents);
    if (root !== undefined) return messageJson(api.PipelineSpecSchema, root, tree);
    problems.add(0, "is empty: a pipeline has at least pipeline, input and transform");
    return {};
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw invalid(`${problems.name} is nested too deeply for a pipeline file`); // the parser's stack overflowed
  }
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? "";
}

function invalid(message: string): SheafError {
  return invalidArgument("SPEC_FILE_INVALID", message);
}
