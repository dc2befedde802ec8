/** Where a JSON request is not what its message wants. Asked only of requests that were refused. Pure. */
import { type DescField, type DescMessage, fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";

/** A path is no longer than this: each level reads all that is below it once more. */
const LEVELS_MAX = 12;

/** Path of the first field at fault, in the spelling of the contract ("page.size", "spec.transform.cmd[1]"); undefined: the whole. */
export function jsonFault(desc: DescMessage, json: JsonValue, levels = LEVELS_MAX): string | undefined {
  if (!isObject(json) || levels === 0) return undefined;
  for (const [key, value] of Object.entries(json)) {
    const field = desc.fields.find(({ name, jsonName }) => key === name || key === jsonName);
    if (field === undefined) return key;
    if (!isRefused(desc, { [key]: value })) continue;
    const inside = insideFault(field, key, value, { desc, levels: levels - 1 });
    return inside === undefined ? field.name : `${field.name}${inside}`;
  }
  return undefined;
}

interface Within {
  readonly desc: DescMessage;
  readonly levels: number;
}

function insideFault(field: DescField, key: string, value: JsonValue, within: Within): string | undefined {
  const { desc: parent, levels } = within;
  switch (field.fieldKind) {
    case "message":
      return below(field.message, value, levels);
    case "list": {
      if (!Array.isArray(value)) return undefined;
      const at = value.findIndex((each) => isRefused(parent, { [key]: [each] }));
      if (at < 0) return undefined;
      return `[${at}]${(field.listKind === "message" && below(field.message, value[at], levels)) || ""}`;
    }
    case "map": {
      if (!isObject(value)) return undefined;
      const name = Object.keys(value).find((each) =>
        isRefused(parent, { [key]: { [each]: value[each] as JsonValue } }),
      );
      return name === undefined ? undefined : `[${JSON.stringify(name)}]`;
    }
    default:
      return undefined;
  }
}

function below(desc: DescMessage, value: JsonValue | undefined, levels: number): string | undefined {
  const path = value === undefined ? undefined : jsonFault(desc, value, levels);
  return path === undefined ? undefined : `.${path}`;
}

function isRefused(desc: DescMessage, json: JsonObject): boolean {
  try {
    fromJson(desc, json);
    return false;
  } catch {
    return true;
  }
}

function isObject(json: JsonValue): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
