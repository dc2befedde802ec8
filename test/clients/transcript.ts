// What a language answered in a case, so written that four languages can be compared, and with what the case expects.
import { isDeepStrictEqual } from "node:util";

/** Differs from run to run. */
const PASSING = new Set([
  "created",
  "updated",
  "started",
  "finished",
  "workers",
  "pool",
  "stats",
  "waiting_for",
  "data_in_flight",
  "progress",
  "expires",
]);
const ID = /\b[0-9A-HJKMNP-TV-Z]{26}\b/gi;

/** Without what passes; with `$name` where a variable's value stands, and `<id>` for ids. */
export function normalized(value: unknown, variables: ReadonlyMap<string, string>): unknown {
  if (typeof value === "string") return plain(value, variables);
  if (Array.isArray(value)) return value.map((each) => normalized(each, variables));
  if (typeof value !== "object" || value === null) return value;
  const rows = Object.entries(value).filter(([name]) => !PASSING.has(name));
  const masked = rows.map(
    ([name, each]) => [name, OPAQUE.has(name) ? mask(each) : normalized(each, variables)] as const,
  );
  return Object.fromEntries(masked.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Only whether there is one. */
const OPAQUE = new Set(["etag", "next_page_token", "resume", "root_hash", "url"]);
const mask = (value: unknown) => (value ? "<opaque>" : value);

function plain(text: string, variables: ReadonlyMap<string, string>): string {
  let result = text;
  for (const [name, value] of [...variables].sort(([, a], [, b]) => b.length - a.length))
    result = result.replaceAll(value, `$${name}`);
  return result.replaceAll(ID, "<id>");
}

/** Whether `actual` has all that `expected` has: lists whole, objects at least these fields. A text "/.../" is a pattern. */
export function matches(actual: unknown, expected: unknown): boolean {
  if (typeof expected === "string" && /^\/.+\/$/s.test(expected) && typeof actual === "string")
    return actual === expected || new RegExp(expected.slice(1, -1), "s").test(actual);
  if (Array.isArray(expected))
    return (
      Array.isArray(actual) &&
      actual.length === expected.length &&
      expected.every((each, i) => matches(actual[i], each))
    );
  if (typeof expected !== "object" || expected === null) return isDeepStrictEqual(actual, expected);
  if (typeof actual !== "object" || actual === null) return false;
  const fields = actual as Record<string, unknown>;
  return Object.entries(expected).every(([name, each]) => matches(fields[name], each));
}
