/** A spec as its author could have written it: what this prints, the parser reads. */
import { type DescField, type DescMessage, type JsonValue, ScalarType, toJson } from "@bufbuild/protobuf";
import { api } from "@sheaf/proto";
import { stringify } from "yaml";
import { enumWord } from "../enum-name.ts";

/** Fields that are not set are left out. */
export function specYaml(spec: api.PipelineSpec): string {
  const json = toJson(api.PipelineSpecSchema, spec, { useProtoFieldName: true, enumAsInteger: true });
  return stringify(written(api.PipelineSpecSchema, json)).trimEnd();
}

/** Protobuf's JSON of a message, with enum values as words and numbers of 64 bits as numbers. */
function written(desc: DescMessage, json: JsonValue): unknown {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return json; // durations are text
  const known = new Map(desc.fields.map((field) => [field.name, field]));
  const entries = Object.entries(json).map(([name, value]) => {
    const field = known.get(name);
    return [name, field === undefined ? value : writtenField(field, value)] as const;
  });
  return Object.fromEntries(entries);
}

function writtenField(field: DescField, value: JsonValue): unknown {
  const one = (part: JsonValue): unknown => {
    if (field.message !== undefined) return written(field.message, part);
    if (field.enum !== undefined) return enumWord(field.enum, Number(part));
    return field.scalar === ScalarType.UINT64 ? BigInt(String(part)) : part;
  };
  return Array.isArray(value) ? value.map(one) : field.fieldKind === "map" ? value : one(value);
}
