// Fields of a pipeline spec that the contract has and this version does not run. A spec that sets one is refused with its
// path: a field that is silently ignored is a job that does something else than its author wrote.

import { type DescMessage, isFieldSet, type Message } from "@bufbuild/protobuf";
import { api } from "@sheaf/proto";
import { unimplemented } from "@sheaf/runtime";

/** Paths in the spelling of the contract. One that ends in a message or a list is refused with all that is under it. */
const NOT_IMPLEMENTED = [
  "transform.debug",
  "input.cross",
  "input.union",
  "input.join",
  "input.group",
  "input.cron",
  "input.pfs.join_on",
  "input.pfs.outer_join",
  "input.pfs.group_by",
  "datum_set_spec",
] as const;

const STRATEGIES_NOT_IMPLEMENTED: ReadonlySet<api.MergeStrategy> = new Set([
  api.MergeStrategy.SORT,
  api.MergeStrategy.COMMAND,
]);

/** Throws UNIMPLEMENTED that names every such field of the spec. */
export function refuseUnimplemented(spec: api.PipelineSpec): void {
  const fields = [
    ...NOT_IMPLEMENTED.filter((path) => isSet(spec, api.PipelineSpecSchema, path.split("."))),
    ...strategies(spec.merge),
  ];
  if (fields.length === 0) return;
  throw unimplemented("FIELD_NOT_IMPLEMENTED", `this version does not run ${fields.join(", ")}: leave it out`, {
    details: fields.map((field) => ({ field, description: "not implemented in this version" })),
    metadata: { fields: fields.join(",") },
  });
}

function isSet(message: Message, schema: DescMessage, [name, ...rest]: readonly string[]): boolean {
  const field = schema.fields.find((each) => each.name === name);
  if (field === undefined) throw new Error(`${schema.typeName} has no field ${name}`);
  if (!isFieldSet(message, field)) return false;
  if (rest.length === 0) return true;
  if (field.fieldKind !== "message") throw new Error(`${schema.typeName}.${name} is no message`);
  const inner = (message as unknown as Record<string, Message>)[field.localName];
  return inner !== undefined && isSet(inner, field.message, rest);
}

function strategies(merge: api.MergeSpec | undefined): string[] {
  if (merge === undefined) return [];
  const fields = STRATEGIES_NOT_IMPLEMENTED.has(merge.strategy) ? ["merge.strategy"] : [];
  merge.rules.forEach((rule, i) => {
    if (STRATEGIES_NOT_IMPLEMENTED.has(rule.strategy)) fields.push(`merge.rules[${i}].strategy`);
  });
  return fields;
}
