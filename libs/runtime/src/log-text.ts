/** One JSON log line as a line for people: `12:34:56.789 warn  worker: lost the owner address=127.0.0.1:7070`. */

const SHOWN_APART = new Set(["time", "level", "component", "msg"]);

/** What does not parse is passed on as it is: a log line is never lost to its formatting. */
export function readableLine(json: string): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return json;
  }
  const time = String(fields.time).slice(11, 23);
  const level = String(fields.level).padEnd(5);
  const rest = Object.entries(fields)
    .filter(([name]) => !SHOWN_APART.has(name))
    .map(([name, value]) => ` ${name}=${shown(value)}`);
  return `${time} ${level} ${String(fields.component)}: ${oneLine(String(fields.msg ?? ""))}${rest.join("")}\n`;
}

function shown(value: unknown): string {
  if (isError(value) && typeof value.message === "string") return JSON.stringify(value.stack ?? value.message);
  return typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

function isError(value: unknown): value is { message?: unknown; stack?: unknown } {
  return typeof value === "object" && value !== null && "message" in value;
}

function oneLine(text: string): string {
  return text.replaceAll("\n", "\\n");
}
